-- How much of what a seller sold comes back, by lines and by money: high from 15 %, medium from 5 %. What was cancelled is not the seller's fault.
WITH
  sold AS (
    SELECT items.seller_id, count(*) AS lines, sum(items.amount) AS amount
    FROM analytics.fact_items AS items
    JOIN stage.orders AS orders ON orders.order_id = items.order_id
    WHERE orders.status = 'delivered'
    GROUP BY items.seller_id
  ),
  returned AS (
    SELECT seller_id, count(*) AS lines, sum(amount) AS amount
    FROM stage.refunds
    WHERE reason <> 'cancelled'
    GROUP BY seller_id
  ),
  shares AS (
    SELECT
      sellers.seller_id,
      sellers.name,
      sellers.tier,
      coalesce(sold.lines, 0) AS sold_lines,
      coalesce(sold.amount, 0) AS sold_amount,
      coalesce(returned.lines, 0) AS returned_lines,
      coalesce(returned.amount, 0) AS refunded_amount,
      coalesce(100 * returned.lines / nullif(sold.lines, 0), 0) AS return_percent,
      coalesce(100 * returned.amount / nullif(sold.amount, 0), 0) AS refund_percent
    FROM stage.sellers AS sellers
    LEFT JOIN sold ON sold.seller_id = sellers.seller_id
    LEFT JOIN returned ON returned.seller_id = sellers.seller_id
  )
SELECT
  seller_id,
  name,
  tier,
  sold_lines,
  CAST(sold_amount AS DECIMAL(14, 2)) AS sold_amount,
  returned_lines,
  CAST(refunded_amount AS DECIMAL(14, 2)) AS refunded_amount,
  CAST(round(return_percent, 1) AS DECIMAL(5, 1)) AS return_percent,
  CAST(round(refund_percent, 1) AS DECIMAL(5, 1)) AS refund_percent,
  CASE
    WHEN greatest(return_percent, refund_percent) >= 15 THEN 'high'
    WHEN greatest(return_percent, refund_percent) >= 5 THEN 'medium'
    ELSE 'low'
  END AS returns
FROM shares
