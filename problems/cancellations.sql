-- Asked when the line is entered: history is of earlier moments only, never the other lines of the own invoice, which
-- tell whether it is a cancellation (EXCLUDE GROUP). A cancelled line has negative units, so its sign is the label; so is
-- the C that its invoice's number begins with. Nobody knows who bought a fifth of the lines: each of them is a customer of
-- its own. Prices and logarithms are decimals, because a sum of DOUBLEs depends on the order in which threads bring rows.
WITH lines AS (
    SELECT
        Invoice[1] = 'C' AS cancelled,
        strptime(InvoiceDate, '%m/%d/%Y %H:%M') AS invoice_date,
        StockCode AS product,
        Country AS country,
        abs(Quantity) AS units,
        CAST(Price AS DECIMAL(12, 3)) AS price,
        CAST(ln(greatest(units, 1)) AS DECIMAL(12, 6)) AS units_log,
        "Customer ID" IS NOT NULL AS known,
        coalesce("Customer ID", -row_number() OVER ()) AS customer
    FROM data
),
moments AS (
    SELECT
        invoice_date,
        count(*) AS lines,
        count_if(cancelled) AS cancelled
    FROM lines
    GROUP BY invoice_date
),
shop AS (
    SELECT
        invoice_date,
        sum(cancelled) OVER lately / sum(lines) OVER lately AS shop_cancelled,
        date_diff('minute', max(invoice_date) FILTER (cancelled > 0) OVER before, invoice_date) AS shop_minutes
    FROM moments
    WINDOW
        lately AS (ORDER BY invoice_date RANGE BETWEEN INTERVAL 2 HOUR PRECEDING AND CURRENT ROW EXCLUDE GROUP),
        before AS (ORDER BY invoice_date RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP)
)
SELECT
    CAST(cancelled AS INTEGER) AS cancelled,
    invoice_date,
    country,
    units,
    price,
    price * units AS amount,
    -- of the whole shop: cancellations are entered in a row
    shop_cancelled,
    shop_minutes,
    -- of the customer
    CAST(known AS INTEGER) AS customer_known,
    count(*) OVER of_customer AS customer_lines,
    CAST(coalesce(sum(units) OVER of_customer, 0) AS BIGINT) AS customer_units,
    date_diff('minute', max(invoice_date) OVER of_customer, invoice_date) AS customer_minutes,
    avg(CAST(cancelled AS INTEGER)) OVER of_customer AS customer_cancelled,
    date_diff('minute', max(invoice_date) FILTER (cancelled) OVER of_customer, invoice_date) AS customer_cancelled_minutes,
    -- of the product
    count(*) OVER of_product AS product_lines,
    CAST(coalesce(sum(units) OVER of_product, 0) AS BIGINT) AS product_units,
    date_diff('day', max(invoice_date) OVER of_product, invoice_date) AS product_days,
    avg(CAST(cancelled AS INTEGER)) OVER of_product AS product_cancelled,
    avg(CAST(cancelled AS INTEGER)) OVER of_product_lately AS product_cancelled_lately,
    units_log - avg(units_log) OVER of_product AS units_to_usual,
    count(*) OVER of_units / nullif(count(*) OVER of_product, 0) AS units_share,
    price / nullif(avg(price) OVER of_product, 0) AS price_to_usual,
    -- of both: what is cancelled was bought before, in the same number and at the same price
    count(*) OVER of_both AS bought_before,
    date_diff('minute', max(invoice_date) OVER of_both, invoice_date) AS bought_minutes,
    CAST(coalesce(sum(if(cancelled, -units, units)) OVER of_both, 0) AS BIGINT) AS units_kept,
    max(units) FILTER (NOT cancelled) OVER of_both AS units_most,
    CAST(coalesce(sum(if(cancelled, -1, 1)) OVER of_same, 0) AS BIGINT) AS same_units_kept,
    units / arg_max(units, (invoice_date, units)) FILTER (NOT cancelled) OVER of_both AS units_to_last,
    price / nullif(arg_max(price, (invoice_date, price)) FILTER (NOT cancelled) OVER of_both, 0) AS price_to_last
FROM lines
JOIN shop USING (invoice_date)
WINDOW
    of_customer AS (
        PARTITION BY customer ORDER BY invoice_date
        RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP
    ),
    of_product AS (
        PARTITION BY product ORDER BY invoice_date
        RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP
    ),
    of_product_lately AS (
        PARTITION BY product ORDER BY invoice_date
        RANGE BETWEEN INTERVAL 90 DAY PRECEDING AND CURRENT ROW EXCLUDE GROUP
    ),
    of_units AS (
        PARTITION BY product, units ORDER BY invoice_date
        RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP
    ),
    of_both AS (
        PARTITION BY customer, product ORDER BY invoice_date
        RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP
    ),
    of_same AS (
        PARTITION BY customer, product, units ORDER BY invoice_date
        RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP
    )
