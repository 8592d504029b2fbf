-- Asked at the end of a day (origin), for each of the 28 days after it: a row is a product, an origin and one of those days.
-- Whatever describes the past ends with the origin; of the day itself only the calendar is known. Sales are lines with units
-- and a price, cancelled later or not: lines of a cancellation and corrections of stock are left out. The file has the lines
-- of its first days of December 2010 twice (DISTINCT). A product's day without a line is a day with 0 units; the shop is
-- closed on Saturdays.
--
-- The 500 products are those with most units before the last day that a training row asks about. Between the splits lie
-- 28 days without origins, so that no day that is asked about lies in two of them. For training and for the eval split one
-- row of 24 and of 8 is taken, by a hash; the test split has every product and every day ahead of five origins.
WITH sales AS (
    SELECT DISTINCT
        * REPLACE (strptime(InvoiceDate, '%m/%d/%Y %H:%M') AS InvoiceDate)
    FROM data
    WHERE Quantity > 0 AND Price > 0 AND NOT starts_with(CAST(Invoice AS VARCHAR), 'C')
        AND regexp_matches(CAST(StockCode AS VARCHAR), '^[0-9]{5}')
),
sold AS (
    SELECT CAST(StockCode AS VARCHAR) AS product, CAST(InvoiceDate AS DATE) AS day, sum(Quantity) AS units
    FROM sales
    GROUP BY ALL
),
products AS (
    SELECT product
    FROM sold
    GROUP BY product
    ORDER BY sum(units) FILTER (day < DATE '2011-08-15') DESC NULLS LAST, product
    LIMIT 500
),
days AS (
    SELECT products.product, CAST(moment AS DATE) AS day, CAST(coalesce(units, 0) AS INTEGER) AS units
    FROM products
    CROSS JOIN range(TIMESTAMP '2009-12-01', TIMESTAMP '2011-12-09', INTERVAL 1 DAY) AS calendar(moment)
    LEFT JOIN sold ON sold.product = products.product AND sold.day = moment
),
past AS (
    SELECT
        product,
        day AS origin,
        list(units) OVER (of_product ROWS 55 PRECEDING) AS last_56,
        avg(units) OVER (of_product ROWS 6 PRECEDING) AS mean_7,
        avg(units) OVER (of_product ROWS 27 PRECEDING) AS mean_28,
        avg(units) OVER (of_product ROWS 90 PRECEDING) AS mean_91
    FROM days
    WHERE day >= DATE '2009-12-01'
    WINDOW of_product AS (PARTITION BY product ORDER BY day)
),
asked AS (
    SELECT past.*, days_ahead, origin + days_ahead AS day
    FROM past
    CROSS JOIN (SELECT CAST(range AS INTEGER) AS days_ahead FROM range(1, 29))
    WHERE
        CASE
            WHEN origin < DATE '2010-03-01' THEN false
            WHEN origin + 28 < DATE '2011-08-15' THEN md5_number_lower(concat_ws(' ', product, origin, days_ahead)) % 24 = 0
            WHEN origin < DATE '2011-08-15' THEN false
            WHEN origin + 28 < DATE '2011-10-13' THEN md5_number_lower(concat_ws(' ', product, origin, days_ahead)) % 8 = 0
            ELSE origin IN (DATE '2011-10-13', DATE '2011-10-20', DATE '2011-10-27', DATE '2011-11-03', DATE '2011-11-10')
        END
)
SELECT
    asked.* EXCLUDE (day),
    asked.day AS day,
    dayname(asked.day) AS weekday,
    list_avg(list_transform(range(CAST(ceil(days_ahead / 7.0) AS INTEGER), 9), lambda week:
        last_56[CAST(56 + days_ahead - 7 * week AS INTEGER)])) AS weekday_mean,
    last_56[56 + days_ahead - 28] AS four_weeks_before,
    days.units
FROM asked
JOIN days ON days.product = asked.product AND days.day = asked.day
