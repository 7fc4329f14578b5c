-- Each order as the newest file has it.
WITH numbered AS (
  SELECT
    order_id,
    ordered_on,
    lower(trim(email)) AS email,
    trim(city) AS city,
    status,
    amount,
    express,
    _file_date AS delivered_on,
    row_number() OVER (PARTITION BY order_id ORDER BY _file_date DESC, status, amount DESC) AS newest
  FROM raw.orders
)
SELECT
  order_id,
  ordered_on,
  email,
  city,
  status,
  amount,
  express,
  delivered_on
FROM numbered
WHERE newest = 1
