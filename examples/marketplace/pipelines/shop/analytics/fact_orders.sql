-- One row for each order, with what was ordered and what was paid.
WITH
  lines AS (
    SELECT order_id, count(*) AS lines, sum(quantity * unit_price) AS amount FROM stage.items GROUP BY order_id
  ),
  paid AS (
    SELECT order_id, sum(amount) AS paid FROM stage.payments GROUP BY order_id
  )
SELECT
  CAST(strftime(orders.ordered_at AT TIME ZONE 'UTC', '%Y%m%d') AS INTEGER) AS date_key,
  orders.order_id,
  orders.customer_id,
  orders.status,
  coalesce(lines.lines, 0) AS lines,
  CAST(coalesce(lines.amount, 0) AS DECIMAL(14, 2)) AS amount,
  CAST(coalesce(paid.paid, 0) AS DECIMAL(14, 2)) AS paid,
  orders.ordered_at
FROM stage.orders AS orders
LEFT JOIN lines ON lines.order_id = orders.order_id
LEFT JOIN paid ON paid.order_id = orders.order_id
