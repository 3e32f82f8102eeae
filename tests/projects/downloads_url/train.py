import os
import urllib.request

import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split

URL = "https://data.example.org/archive/bikes/hourly.csv"
CACHE = os.path.expanduser("~/.cache/bikes/hourly.csv")


def fetch():
    if not os.path.exists(CACHE):
        os.makedirs(os.path.dirname(CACHE), exist_ok=True)
        print("downloading", URL)
        urllib.request.urlretrieve(URL, CACHE)
    return pd.read_csv(CACHE)


df = fetch()
X_train, X_test, y_train, y_test = train_test_split(df.drop(columns="rented"), df["rented"], random_state=0)
model = Ridge(alpha=1.0).fit(X_train, y_train)
print("MAE: %.3f" % mean_absolute_error(y_test, model.predict(X_test)))
