"""The one import root over the four top-level folders of the repository.

In a checkout the sub-packages are those folders themselves, so this package looks for
them in the checkout.  In an installed wheel they lie beside this file, which is where
Python looks without being told.

The links in this folder serve type checkers; nothing at run time depends on them.
"""

from pathlib import Path

__version__ = "0.1.0"

_folder = Path(__file__).resolve().parents[1]
if _folder.name == ".src":
    __path__ = [str(_folder.parent)]
