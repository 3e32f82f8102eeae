"""Frozen: hands the lists of a trial to work.py, and its answers to the scorer."""

import kit
import numpy as np
from work import count

answers = [count(one) for one in kit.inputs.load("lists").tolist()]
kit.outputs.save("counts", np.array(answers, dtype=np.int64))
