import { readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { readContext } from '../../src/run/api.ts'
import { openProject } from '../../src/run/project.ts'
import { onlineRetailProject } from './online-retail.ts'
import { command, deliver, query, realFiles } from './project.ts'

const files = realFiles('online_retail_2010_12')
const days =
  files === undefined
    ? []
    : readdirSync(files)
        .filter((name) => name.endsWith('.csv'))
        .sort()

function deliverDay(root: string, day: string, as = day): void {
  deliver(root, join(files as string, day), `inbox/sales/${as}`)
  deliver(root, join(files as string, day), `inbox/lines/${as}`)
}

async function run(root: string): Promise<void> {
  await using project = await openProject(root)
  const { id, summary } = await project.run()
  if (summary.status !== 'succeeded') expect(await project[readContext].log(id)).toBe('the log of a run that succeeded')
}

/** Everything that the acceptance names, in one row. */
async function state(root: string): Promise<Record<string, unknown>> {
  const [figures] = await query(
    root,
    `SELECT
       (SELECT sum(rows_read) FROM sluice.files WHERE "table" = 'raw.sales') AS read,
       (SELECT sum(rows_quarantined) FROM sluice.files WHERE "table" = 'raw.sales') AS refused,
       (SELECT count(*) FROM raw.sales) AS accepted,
       (SELECT sum(Quantity * UnitPrice) FROM raw.sales) AS amount,
       (SELECT count(*) FROM raw.lines) AS lines,
       (SELECT count(*) FROM stage.sales) AS distinct_rows,
       (SELECT count(*) FROM warehouse.fact_sales) AS facts,
       (SELECT sum(revenue) FROM warehouse.fact_sales) AS revenue,
       (SELECT count(DISTINCT invoice_no) FROM warehouse.fact_sales) AS invoices,
       (SELECT count(DISTINCT customer_id) FROM warehouse.fact_sales) AS customers,
       (SELECT count(DISTINCT country) FROM warehouse.fact_sales) AS countries,
       (SELECT count(*) FROM warehouse.dim_product) AS product_versions,
       (SELECT count(*) FROM warehouse.dim_product WHERE is_current_record) AS products,
       (SELECT md5(string_agg(d::VARCHAR, '' ORDER BY d::VARCHAR)) FROM warehouse.dim_product d) AS dimension`,
  )
  return figures ?? {}
}

const expected = {
  read: '42481',
  refused: String(15_631 + 690 + 0 + 3),
  accepted: '26157',
  amount: '572713.890',
  lines: '42481',
  distinct_rows: '25670',
  facts: '25670',
  revenue: '570422.730',
  invoices: '1400',
  customers: '885',
  countries: '22',
  product_versions: '2833',
  products: '2801',
}

describe.skipIf(files === undefined)(
  `online retail, December 2010${files === undefined ? ' (skipped: ../shared/data/online_retail_2010_12 is absent)' : ''}`,
  () => {
    let together: string
    let end: Record<string, unknown>
    let longest: number
    beforeAll(async () => {
      together = onlineRetailProject()
      for (const day of days) deliverDay(together, day)
      const started = Date.now()
      const result = await command(together, ['run'])
      longest = Date.now() - started
      expect(result.code, result.stderr).toBe(0)
      end = await state(together)
    })

    test('all files at once: every row accounted for, by first failing rule; delivered again, nothing changes', async () => {
      const root = together
      expect(end).toMatchObject(expected)
      const reasons = await query(
        root,
        `SELECT reasons[1] AS reason, count(*) AS n FROM sluice.quarantine WHERE "table" = 'raw.sales' GROUP BY ALL ORDER BY n DESC`,
      )
      expect(reasons).toEqual([
        { reason: 'customer', n: '15631' },
        { reason: 'cancelled', n: '690' },
        { reason: 'price', n: '3' },
      ])
      const versions = await query(
        root,
        'SELECT "table", max(version) AS version FROM sluice.versions GROUP BY ALL ORDER BY ALL',
      )

      for (const day of days) deliverDay(root, day)
      await run(root)
      for (const day of days) deliverDay(root, day, `again-${day}`)
      await run(root)
      expect(await state(root)).toEqual(end)
      expect(
        await query(root, 'SELECT "table", max(version) AS version FROM sluice.versions GROUP BY ALL ORDER BY ALL'),
      ).toEqual(versions)
      expect(readdirSync(join(root, 'inbox/sales'))).toEqual([])
    })

    test('one by one, and out of order: the same dimension and the same facts', async () => {
      const ordered = onlineRetailProject()
      for (const day of days) {
        deliverDay(ordered, day)
        await run(ordered)
      }
      const shuffled = onlineRetailProject()
      const order = days.map((day, index) => [(index * 7 + 3) % days.length, day] as const).sort(([a], [b]) => a - b)
      for (const [, day] of order) {
        deliverDay(shuffled, day)
        await run(shuffled)
      }
      expect(await state(ordered)).toEqual(end)
      expect(await state(shuffled)).toEqual(end)
    })

    test('killed at random moments: the same end state, without a manual step', async () => {
      // The count of the acceptance is 200 (SLUICE_KILLS=200); the suite's own run keeps to a share of it.
      const kills = Number(process.env['SLUICE_KILLS'] ?? 8)
      let seed = 20_101_201
      const random = (): number => {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff
        return seed / 0x7fffffff
      }
      let killed = 0
      while (killed < kills) {
        const root = onlineRetailProject()
        for (const day of days) deliverDay(root, day)
        for (let tries = 0; tries < 6 && killed < kills; tries++) {
          const result = await command(root, ['run'], { killAfterMs: 50 + random() * longest })
          if (result.signal === null) break
          killed++
        }
        await run(root)
        expect(await state(root), `after ${killed} kills`).toEqual(end)
      }
    })

    test('a file renamed after its commit is recognised by content', async () => {
      const root = onlineRetailProject()
      deliverDay(root, days[0] as string)
      await run(root)
      renameSync(join(root, `inbox/archive/sales/${days[0]}`), join(root, 'inbox/sales/2010-12-31.csv'))
      await run(root)
      expect(await query(root, `SELECT count(*) AS n FROM sluice.files WHERE "table" = 'raw.sales'`)).toEqual([
        { n: '1' },
      ])
    })
  },
)
