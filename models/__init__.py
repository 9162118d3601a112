"""What the machine knows: pure rules, the eyes of the machine (`vision`) and its world (`world`).

Nothing here starts a thread, reads a clock or opens a socket. Rules take facts and give decisions;
importing them costs no numpy, no OpenCV and no ONNX Runtime.
"""
