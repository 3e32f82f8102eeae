import numpy as np

print("Polynomial fitter 1.2")
degree = int(input("Degree of the polynomial? "))
table = np.loadtxt("measured.txt")
train, test = table[::2], table[1::2]
coefficients = np.polyfit(train[:, 0], train[:, 1], degree)
error = np.polyval(coefficients, test[:, 0]) - test[:, 1]
print("rms error:", np.sqrt(np.mean(error**2)))
