-- What each product sold in each month, and how that compares with the month before; a month without a sale counts, too.
WITH
  sales AS (
    SELECT
      items.product_id,
      CAST(date_trunc('month', items.ordered_at AT TIME ZONE 'UTC') AS DATE) AS month,
      items.quantity,
      items.amount
    FROM analytics.fact_items AS items
    JOIN stage.orders AS orders ON orders.order_id = items.order_id
    WHERE orders.status NOT IN ('placed', 'cancelled')
  ),
  months AS (SELECT DISTINCT month FROM sales),
  by_month AS (
    SELECT
      products.product_id,
      products.sku,
      products.name,
      products.category,
      months.month,
      coalesce(sum(sales.quantity), 0) AS units,
      coalesce(sum(sales.amount), 0) AS revenue
    FROM stage.products AS products
    CROSS JOIN months
    LEFT JOIN sales ON sales.product_id = products.product_id AND sales.month = months.month
    GROUP BY products.product_id, products.sku, products.name, products.category, months.month
  ),
  compared AS (
    SELECT *, lag(revenue) OVER (PARTITION BY product_id ORDER BY month) AS revenue_before FROM by_month
  )
SELECT
  product_id,
  sku,
  name,
  category,
  month,
  CAST(units AS BIGINT) AS units,
  CAST(revenue AS DECIMAL(14, 2)) AS revenue,
  CAST(revenue_before AS DECIMAL(14, 2)) AS revenue_before,
  CAST(round(100 * (revenue - revenue_before) / nullif(revenue_before, 0), 1) AS DECIMAL(12, 1)) AS change_percent
FROM compared
