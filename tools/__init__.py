from . import aging
from . import cash_discount
from . import spreadsheet
from . import tax_split
