from heads.branching import pack
from heads.pooling import last_token


def test_an_option_is_pooled_from_its_last_token():
    batch = pack([[11, 12], [21]], [[[1, 2], [3]], [[4], [5, 6, 7]]])
    pooled = last_token(batch.input_ids.flatten()[:, None], batch.option_spans)
    assert pooled.squeeze(-1).tolist() == [[2, 3], [4, 7]]
