"""Logistic regression against scikit-learn's, with the same penalty on the same standardised features."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from hubert_iter.analysis import logistic

PENALTIES = (0.01, 0.001)


def clusters(num_classes, per_class, dimension, signal, seed=0):
    """Skewed variances and overlapping classes of unequal sizes, as in layers: float32 [N, D], labels int [N]."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(num_classes, per_class * num_classes, p=generator.dirichlet(np.full(num_classes, 5.0)))
    falling = np.arange(1, dimension + 1) ** -0.7
    features = signal * generator.standard_normal((num_classes, dimension))[labels] * falling
    features += generator.standard_normal(features.shape) * falling
    turned = np.linalg.qr(generator.standard_normal((dimension, dimension)))[0]
    return (features @ turned + 1).astype(np.float32), labels


@pytest.mark.parametrize(("num_classes", "per_class", "dimension", "signal"), [(40, 100, 96, 0.4), (300, 10, 32, 1.0)])
def test_accuracy_and_probabilities_are_scikit_learns(num_classes, per_class, dimension, signal):
    features, labels = clusters(num_classes, per_class, dimension, signal)
    in_train = np.arange(len(labels)) % 2 == 0
    scaler = StandardScaler().fit(features[in_train].astype(np.float64))
    standard = scaler.transform(features.astype(np.float64))
    train = logistic.Train(features[in_train])
    turned = train.turn(features[~in_train])
    weights = None
    for penalty in PENALTIES:
        reference = LogisticRegression(C=1 / (penalty * in_train.sum()), tol=1e-6, max_iter=2000)
        reference.fit(standard[in_train], labels[in_train])
        expected = reference.predict(standard[~in_train])
        weights = train.fit(labels[in_train], num_classes, penalty, weights)
        found = logistic.predict(weights, turned)
        accuracy = (expected == labels[~in_train]).mean()
        assert 0.3 < accuracy < 0.95
        assert (found == labels[~in_train]).mean() == pytest.approx(accuracy, abs=0.005)
        assert (found == expected).mean() > 0.97
        # Fitted to the end it is the same minimum.
        logits = turned @ train.fit(labels[in_train], num_classes, penalty, tolerance=2e-4).T
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        difference = probabilities[:, reference.classes_] - reference.predict_proba(standard[~in_train])
        assert np.abs(difference).max() < 0.01
