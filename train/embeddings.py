"""Word embeddings from co-occurrence counts, a head start for masked language modelling."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

WINDOW = 4


def svd_embeddings(blocks: np.ndarray, vocabulary: int, width: int, tokens: int, seed: int) -> torch.Tensor:
    """Truncated SVD of the positive PMI matrix of pieces within WINDOW of each other.

    `blocks` (n, length) token ids; the first `tokens` of them count. Returns (vocabulary, width), float32.
    Levy and Goldberg 2014, Neural word embedding as implicit matrix factorization.
    """
    ids = np.asarray(blocks[: max(1, tokens // blocks.shape[1])], dtype=np.int32)
    counts = sparse.csr_matrix((vocabulary, vocabulary), dtype=np.float32)
    for distance in range(1, WINDOW + 1):
        left, right = ids[:, :-distance].ravel(), ids[:, distance:].ravel()
        ones = np.full(len(left), 1.0 / distance, dtype=np.float32)
        counts += sparse.coo_matrix((ones, (left, right)), shape=counts.shape).tocsr()
    counts = counts + counts.T
    total, row = counts.sum(), np.asarray(counts.sum(axis=1)).ravel()
    context = row**0.75  # smoothed contexts
    context *= total / context.sum()
    pmi = counts.tocoo()
    values = np.log(pmi.data * total / (row[pmi.row] * context[pmi.col]))
    positive = values > 0
    matrix = sparse.csr_matrix((values[positive], (pmi.row[positive], pmi.col[positive])), shape=counts.shape)
    left, scale, _ = randomized_svd(matrix, width, n_iter=2, random_state=seed)
    return torch.from_numpy((left * np.sqrt(scale)).astype(np.float32))
