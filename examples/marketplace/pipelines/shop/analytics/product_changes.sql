-- Every change of a product, and from when it holds. A new SKU is a delete and an insert to the shop, and one more version here: a delete has the
-- key of its row alone, and the change before it on that key says which product it was.
SELECT
  CASE WHEN _op = 'D' THEN lag(product_id) OVER (PARTITION BY sku ORDER BY _sequence) ELSE product_id END AS product_id,
  sku,
  seller_id,
  name,
  category,
  price,
  discontinued,
  description_digest,
  CASE WHEN _lsn = min(_lsn) OVER () THEN created_at ELSE _effective_at END AS valid_from,
  _sequence,
  _op
FROM stage.product_history
