"""Grades wines from lab values. Saves the model for the web app."""
import joblib
import pandas as pd
from sklearn.metrics import accuracy_score, classification_report
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelEncoder, StandardScaler
from sklearn.decomposition import PCA
from sklearn.svm import SVC

TEST_SIZE = 0.25


def load_data(path='data/wine.csv'):
  df = pd.read_csv(path, sep=';')
  X = df.drop(columns=['grade'])
  y = LabelEncoder().fit_transform(df['grade'])
  return X, y


def main():
  X, y = load_data()
  X_train, X_test, y_train, y_test = train_test_split(
      X, y, test_size=TEST_SIZE, random_state=7, stratify=y)

  scaler = StandardScaler()
  X_train = scaler.fit_transform(X_train)
  X_test = scaler.transform(X_test)

  model = Pipeline([
      ('pca', PCA(n_components=3)),
      ('svc', SVC(kernel='rbf', C=0.5)),
  ])
  cv = cross_val_score(model, X_train, y_train, cv=5)
  print('cv accuracy: %.3f +- %.3f' % (cv.mean(), cv.std()))
  model.fit(X_train, y_train)

  pred = model.predict(X_test)
  print(classification_report(y_test, pred, digits=3))
  print('Test accuracy:', accuracy_score(y_test, pred))

  joblib.dump(scaler, 'scaler.joblib')
  joblib.dump(model, 'model.joblib')


if __name__ == '__main__':
  main()
