"""Contrastive image-text training with expert annotations, on a folder of Ukiyo-eVG.

Scored exactly as eclip is: two predictors that never meet, and the rank of the right partner.
"""

from harness.tasks.eclip.score import deal
from harness.tasks.eclip_ukiyo.prepare import build

__all__ = ["build", "deal"]
