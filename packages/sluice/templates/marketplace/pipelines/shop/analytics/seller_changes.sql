-- Every change of a seller, and from when it holds.
SELECT
  seller_id,
  name,
  tier,
  country,
  CASE WHEN _lsn = min(_lsn) OVER () THEN created_at ELSE _effective_at END AS valid_from,
  _sequence,
  _op
FROM stage.seller_history
