"""`bin/train`: from nothing to a model directory that the machine can use (extra `train`).

    render.py       chambers, path-traced, by any number of processes (crew.py)
    develop.py      rendered light → 8-bit pictures with labels, for other people's trainers
    fit.py          a training run: the project's own network (centre.py) or ultralytics' (yolo.py)
    export.py       a run → ONNX, thresholds, golden pictures, manifest
    score.py        models before the referee: decisions, boxes, disturbed pictures (referee.py)
    everything.py   all of it in a row
    card.py         the model card, with plots.py

    shown.py        pictures with their truth, from a rendered set or from a folder with labels
    answers.py      what a detector says of them
    meter.py        how far a long piece of work is; stopping.py: Ctrl-C that loses nothing

The daemon imports nothing of this.
"""
