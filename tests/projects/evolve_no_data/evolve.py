# Genetic search for a good layout of points: as far from each other as possible.
import math
import os
import random
import time

N_POINTS = 13
POPULATION = 40
GENERATIONS = 260
MUTATION_RATE = 0.9
MUTATION_SIZE = 0.25
ELITE = 2
TOURNAMENT = 2

seed = int(os.environ.get("SEED", time.time()))
rng = random.Random(seed)


def fitness(layout):
    """Smallest distance between two of the points, all in the unit square."""
    best = math.inf
    for i in range(len(layout)):
        xi, yi = layout[i]
        for j in range(i):
            best = min(best, math.hypot(xi - layout[j][0], yi - layout[j][1]))
    return best


def mutate(layout):
    child = list(layout)
    for i in range(len(child)):
        if rng.random() < MUTATION_RATE:
            x, y = child[i]
            child[i] = (
                min(1.0, max(0.0, x + rng.gauss(0, MUTATION_SIZE))),
                min(1.0, max(0.0, y + rng.gauss(0, MUTATION_SIZE))),
            )
    return child


def select(scored):
    return max(rng.sample(scored, TOURNAMENT), key=lambda pair: pair[0])[1]


population = [[(rng.random(), rng.random()) for _ in range(N_POINTS)] for _ in range(POPULATION)]
for generation in range(GENERATIONS):
    scored = sorted(((fitness(p), p) for p in population), key=lambda pair: pair[0], reverse=True)
    if generation % 20 == 0:
        print("generation %d: best so far %.5f" % (generation, scored[0][0]))
    population = [p for _, p in scored[:ELITE]]
    while len(population) < POPULATION:
        population.append(mutate(select(scored)))

best = max(population, key=fitness)
print("Best value: %.6f (seed %d)" % (fitness(best), seed))
print("Best layout:", [(round(x, 3), round(y, 3)) for x, y in best])
