"""The driver under the name by which tests of Studio know it."""

from sagewright.testing.chromium import CHROMIUM as CHROMIUM
from sagewright.testing.chromium import PATIENCE as PATIENCE
from sagewright.testing.chromium import Page as Page
from sagewright.testing.chromium import another as another
from sagewright.testing.chromium import chromium as chromium
from sagewright.testing.chromium import opened as opened
from sagewright.testing.chromium import opened_by as opened_by
from sagewright.testing.chromium import targets as targets
