"""Real cameras, by the words in ``camera.source``.

    v4l2:<name in /dev/v4l/by-id or by-path>, /dev/video0    `v4l2`
    rtsp://…  rtsps://…  http://…  https://…                 `network`
    gst:<pipeline>                                           `pipe`, through gst-launch-1.0
    pipe:<command>                                           `pipe`

Each is a `LiveSource`: one thread reads, the newest frame wins, nobody who asks is ever blocked.
"""

from actors.drivers.cameras.opening import is_camera, open_camera

__all__ = ["is_camera", "open_camera"]
