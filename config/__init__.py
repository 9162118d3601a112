"""One frozen, typed settings value, and the layers it is made of.

settings   what there is to set: sections, bounds, defaults with their reasons
load       defaults < profile < file < .env < environment < overrides, and who won
sources    how each layer is read
keys       the dotted keys, what each takes, and the nearest right name
errors     what was wrong, where, and what is allowed
profiles/  the machines we know
"""

from config.errors import SettingsError

__all__ = ["SettingsError"]
