#!/usr/bin/env python
# coding: utf-8

# # Customer churn: a simple baseline
# 
# Upvote if you like it :)

# In[1]:


import os
import warnings

import numpy as np # linear algebra
import pandas as pd # data processing, CSV file I/O (e.g. pd.read_csv)
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

warnings.filterwarnings('ignore')
for dirname, _, filenames in os.walk('input'):
    for filename in filenames:
        print(os.path.join(dirname, filename))


# In[2]:


train = pd.read_csv('input/train.csv')
test = pd.read_csv('input/test.csv')
sub = pd.read_csv('input/sample_submission.csv')
print(train.shape, test.shape)
train.head()


# In[3]:


train.isnull().sum().sort_values(ascending=False).head()


# ## Features

# In[4]:


cat_cols = ['Plan', 'Region', 'Payment']
num_cols = [c for c in train.columns if c not in cat_cols + ['id', 'Churn']]

full = pd.concat([train.drop('Churn', axis=1), test], ignore_index=True)
full[num_cols] = full[num_cols].fillna(full[num_cols].median())
full['charge_per_month'] = full['TotalCharges'] / (full['Tenure'] + 1)
full = pd.get_dummies(full, columns=cat_cols, dummy_na=True)

features = [c for c in full.columns if c != 'id']
X = full[features][:len(train)].values
X_test = full[features][len(train):].values
y = (train['Churn'] == 'Yes').astype(int).values
print('mean of target:', y.mean())


# ## Model

# In[5]:


N_FOLDS = 5
params = {
    'n_estimators': 150,
    'max_depth': 2,
    'max_features': 3,
    'n_jobs': -1,
}

oof = np.zeros(len(X))
preds = np.zeros(len(X_test))
scores = []
skf = StratifiedKFold(n_splits=N_FOLDS, shuffle=True, random_state=42)
for fold, (trn_idx, val_idx) in enumerate(skf.split(X, y)):
    clf = RandomForestClassifier(random_state=2020 + fold, **params)
    clf.fit(X[trn_idx], y[trn_idx])
    oof[val_idx] = clf.predict_proba(X[val_idx])[:, 1]
    preds += clf.predict_proba(X_test)[:, 1] / N_FOLDS
    scores.append(roc_auc_score(y[val_idx], oof[val_idx]))
    print(f'Fold {fold} AUC = {scores[-1]:.5f}')


# In[6]:


print('CV score: {:.5f} (+/- {:.5f})'.format(roc_auc_score(y, oof), np.std(scores)))


# In[7]:


sub['Churn'] = preds
sub.to_csv('submission.csv', index=False)
sub.head()


# In[ ]:




