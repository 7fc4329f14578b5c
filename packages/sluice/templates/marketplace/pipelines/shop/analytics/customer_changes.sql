-- Every change of a customer, and from when it holds: what was there when the copy was taken, since it was made; a change, since its commit.
SELECT
  customer_id,
  name,
  email,
  street,
  city,
  country,
  CASE WHEN _lsn = min(_lsn) OVER () THEN created_at ELSE _effective_at END AS valid_from,
  _sequence,
  _op
FROM stage.customer_history
