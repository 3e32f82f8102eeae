"""
Run by train.py with exec(), so that it can override train.py's globals:
an argument without -- is a config file that is executed, --key=value sets one key.
"""
import sys
from ast import literal_eval

for arg in sys.argv[1:]:
    if '=' not in arg:
        assert not arg.startswith('--')
        print(f'Overriding config with {arg}:')
        with open(arg) as f:
            text = f.read()
        print(text)
        exec(text)
    else:
        key, val = arg[2:].split('=', 1)
        if key not in globals():
            raise ValueError(f'Unknown config key: {key}')
        try:
            val = literal_eval(val)
        except (SyntaxError, ValueError):
            pass
        print(f'Overriding: {key} = {val}')
        globals()[key] = val
