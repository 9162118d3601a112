"""The project's own detector network, and how it learns (extra `train`: plain torch).

    network.py     a centre-point network: heat maps of centres, distances to the box's edges
    targets.py     what it should answer for a picture whose truth is known
    losses.py      how wrong an answer is
    pictures.py    rendered light → developed, augmented pictures with their targets
    fit.py         the training run: resumable, seeded, GPU where there is one
    export.py      to ONNX with the end-to-end contract (1, N, 6)
    thresholds.py  the confidences that the decision rule uses, from a validation split

Nothing here is imported by the daemon.
"""
