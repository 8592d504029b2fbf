-- Up to ten products of each invoice, a row each, beside what its customer had bought on the ten invoices before it, the
-- last at the end: no product sees another one of its own invoice. Only invoices of customers who had bought before,
-- without cancellations, postage and the like. An invoice that was entered over several minutes has the first of them.
-- Histories are joined last, since each is there once: a window over rows that carry them would not fit into memory.
WITH products AS (
    SELECT DISTINCT "Customer ID" AS customer, Invoice AS invoice, StockCode AS stock_code
    FROM data
    WHERE "Customer ID" IS NOT NULL AND Quantity > 0 AND regexp_matches(StockCode, '^[0-9]{5}')
), invoices AS (
    SELECT
        customer,
        invoice,
        invoice_date,
        country,
        list(stock_code ORDER BY stock_code) AS bought
    FROM products
    JOIN (
        SELECT
            "Customer ID" AS customer,
            Invoice AS invoice,
            min(strptime(InvoiceDate, '%m/%d/%Y %H:%M')) AS invoice_date,
            min(Country) AS country
        FROM data
        GROUP BY ALL
    ) USING (customer, invoice)
    GROUP BY ALL
), remembered AS (
    SELECT
        customer,
        invoice,
        invoice_date,
        country,
        list_slice(flatten(list(bought) OVER earlier), -100, -1) AS history,
        date_diff('day', max(invoice_date) OVER earlier, invoice_date) AS days
    FROM invoices
    WINDOW earlier AS (
        PARTITION BY customer ORDER BY invoice_date, invoice ROWS BETWEEN 10 PRECEDING AND 1 PRECEDING
    )
), chosen AS (
    SELECT *
    FROM products
    QUALIFY row_number() OVER (PARTITION BY customer, invoice ORDER BY md5(invoice || stock_code), stock_code) <= 10
)
SELECT customer, invoice_date, country, days, history, stock_code
FROM chosen
JOIN remembered USING (customer, invoice)
WHERE history IS NOT NULL
