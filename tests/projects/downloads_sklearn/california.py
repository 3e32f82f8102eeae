from sklearn.datasets import fetch_california_housing
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import train_test_split

X, y = fetch_california_housing(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=42)
forest = RandomForestRegressor(n_estimators=50, max_depth=6, random_state=42)
forest.fit(X_train, y_train)
print("R2 score:", forest.score(X_test, y_test))
