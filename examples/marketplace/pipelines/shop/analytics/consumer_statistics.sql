-- What each customer spent and got back. Who waits in quarantine has no name here, and is counted.
WITH
  people AS (
    SELECT customer_id FROM stage.customers
    UNION
    SELECT customer_id FROM stage.orders
  ),
  bought AS (
    SELECT
      customer_id,
      count(*) AS orders,
      min(ordered_at) AS first_order_at,
      max(ordered_at) AS last_order_at
    FROM stage.orders
    GROUP BY customer_id
  ),
  paid AS (
    SELECT orders.customer_id, count(*) AS transactions, sum(payments.amount) AS spending
    FROM stage.payments AS payments
    JOIN stage.orders AS orders ON orders.order_id = payments.order_id
    GROUP BY orders.customer_id
  ),
  returned AS (
    SELECT customer_id, count(*) AS refunds, sum(amount) AS refunded FROM stage.refunds GROUP BY customer_id
  )
SELECT
  people.customer_id,
  customers.name,
  customers.country,
  coalesce(bought.orders, 0) AS orders,
  coalesce(paid.transactions, 0) AS transactions,
  CAST(coalesce(paid.spending, 0) AS DECIMAL(14, 2)) AS spending,
  coalesce(returned.refunds, 0) AS refunds,
  CAST(coalesce(returned.refunded, 0) AS DECIMAL(14, 2)) AS refunded,
  bought.first_order_at,
  bought.last_order_at
FROM people
LEFT JOIN stage.customers AS customers ON customers.customer_id = people.customer_id
LEFT JOIN bought ON bought.customer_id = people.customer_id
LEFT JOIN paid ON paid.customer_id = people.customer_id
LEFT JOIN returned ON returned.customer_id = people.customer_id
