from . import base_partner_merge_automatic_wizard
from . import collections_aging_wizard
from . import collections_case_wizard
from . import collections_status_wizard
from . import collections_writeoff_reversal_wizard
from . import collections_writeoff_sweep_wizard
from . import collections_writeoff_wizard
