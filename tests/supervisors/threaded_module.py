"""A module that starts a thread when it is imported: not for the zygote."""

import threading

threading.Thread(target=threading.Event().wait, daemon=True).start()
