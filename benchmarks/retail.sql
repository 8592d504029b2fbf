-- Asked when the line is entered: the history of its customer and of its product holds earlier moments only, never the
-- other lines of its own invoice, which tell whether it is a cancellation (EXCLUDE GROUP). A cancelled line has negative
-- units, so its sign is the label. Nobody knows the customer of a fifth of the lines: they have no history. Prices are
-- decimals because a sum of DOUBLEs depends on the order in which threads bring the rows.
WITH lines AS (
    SELECT
        Invoice[1] = 'C' AS cancelled,
        strptime(InvoiceDate, '%m/%d/%Y %H:%M') AS invoice_date,
        StockCode AS stock_code,
        Country AS country,
        abs(Quantity) AS units,
        CAST(Price AS DECIMAL(12, 3)) AS price,
        "Customer ID" AS customer
    FROM data
)
SELECT
    CAST(cancelled AS INTEGER) AS cancelled,
    invoice_date,
    stock_code,
    country,
    units,
    price,
    if(customer IS NULL, NULL, count(*) OVER of_customer) AS customer_lines,
    if(customer IS NULL, NULL, CAST(coalesce(sum(units) OVER of_customer, 0) AS BIGINT)) AS customer_units,
    if(customer IS NULL, NULL, date_diff('day', max(invoice_date) OVER of_customer, invoice_date)) AS customer_days,
    if(customer IS NULL, NULL, avg(CAST(cancelled AS INTEGER)) OVER of_customer) AS customer_cancelled,
    count(*) OVER of_product AS product_lines,
    CAST(coalesce(sum(units) OVER of_product, 0) AS BIGINT) AS product_units,
    date_diff('day', max(invoice_date) OVER of_product, invoice_date) AS product_days,
    avg(CAST(cancelled AS INTEGER)) OVER of_product AS product_cancelled,
    price / nullif(avg(price) OVER of_product, 0) AS price_to_usual
FROM lines
WINDOW
    of_customer AS (
        PARTITION BY customer ORDER BY invoice_date
        RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP
    ),
    of_product AS (
        PARTITION BY stock_code ORDER BY invoice_date
        RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP
    )
