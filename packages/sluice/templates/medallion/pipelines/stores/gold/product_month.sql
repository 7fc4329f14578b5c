-- Products month by month: what was sold, and what was delivered.
WITH sold AS (
  SELECT
    product,
    date_trunc('month', sold_on) AS month,
    sum(quantity) AS quantity,
    sum(amount) AS revenue
  FROM silver.sales
  GROUP BY product, date_trunc('month', sold_on)
),
stocked AS (
  SELECT
    product,
    date_trunc('month', moved_on) AS month,
    sum(delivered) AS delivered
  FROM silver.stock
  GROUP BY product, date_trunc('month', moved_on)
)
SELECT
  sold.product,
  CAST(sold.month AS DATE) AS month,
  sold.quantity,
  sold.revenue,
  coalesce(stocked.delivered, 0) AS delivered
FROM sold
LEFT JOIN stocked ON stocked.product = sold.product AND stocked.month = sold.month
