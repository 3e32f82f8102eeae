"""Questions to ask of training rows and of a model's answers; `analysis.py` prints what it finds.

    from kit import analysis

    analysis.show("which columns tell the target", analysis.univariate_auc(columns, targets)[:20])

Everything takes and returns plain arrays and needs numpy alone. Nothing here is a score: the rows
are training rows of every split, so what is found here is a hint about the others.
"""

from .columns import correlated_pairs, null_rates, univariate_auc
from .errors import error_by_band, error_by_feature, error_by_segment
from .examples import calibration, expected_calibration_error, hardest, loss_by_position
from .models import feature_importance, permutation_importance
from .ranking import auc
from .show import show

__all__ = [
    "auc",
    "calibration",
    "correlated_pairs",
    "error_by_band",
    "error_by_feature",
    "error_by_segment",
    "expected_calibration_error",
    "feature_importance",
    "hardest",
    "loss_by_position",
    "null_rates",
    "permutation_importance",
    "show",
    "univariate_auc",
]
