from . import portal
from . import spreadsheet
