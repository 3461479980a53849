from . import base_partner_merge_automatic_wizard
from . import collections_aging_wizard
