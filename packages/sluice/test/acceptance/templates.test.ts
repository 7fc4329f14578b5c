import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { command, query } from './project.ts'

/**
 * What each template promises to whoever types `sluice init`: a project that checks, delivers, runs, accounts for every row, and finds
 * nothing new when it runs again. The figures were computed from the delivered files by a program of another language.
 */
const templates = {
  retail: {
    code: 0,
    read: 14_000,
    accepted: 11_912,
    refusedFiles: [],
    figures: `SELECT
        (SELECT count(*) FROM warehouse.fact_sales) AS rows,
        (SELECT sum(amount) FROM warehouse.fact_sales) AS amount,
        (SELECT count(*) FROM warehouse.dim_customer) AS customers,
        (SELECT count(*) FROM warehouse.dim_product WHERE is_current_record) AS products`,
    expected: { rows: '11855', amount: '1148292.890', customers: '378', products: '240' },
    later: (root: string) => void generate(root, '--days', '8'),
    laterRead: 2000,
  },
  'file-drop': {
    code: 1,
    read: 600,
    accepted: 575,
    refusedFiles: ['orders_20260401.csv', 'orders_20260401.csv.report.json', 'orders_20260401.csv.report.txt'],
    figures: 'SELECT count(*) AS rows, sum(amount) AS amount FROM warehouse.orders',
    expected: { rows: '556', amount: '671570.67' },
    later: mend,
    laterRead: 200,
  },
  medallion: {
    code: 0,
    read: 6054,
    accepted: 6036,
    refusedFiles: [],
    figures: `SELECT count(*) AS rows, sum(quantity) AS quantity, sum(revenue) AS revenue,
        (SELECT sum(store) FROM warehouse.sales_by_channel) AS store,
        (SELECT sum(web) FROM warehouse.sales_by_channel) AS web,
        (SELECT sum(phone) FROM warehouse.sales_by_channel) AS phone
      FROM warehouse.product_month`,
    expected: { rows: '24', quantity: '14705', revenue: '764975.90', store: '5009', web: '4816', phone: '4880' },
    later: (root: string) => void generate(root, '--months', '4'),
    laterRead: 2_014,
  },
} as const

const parent = mkdtempSync(join(tmpdir(), 'sluice-init-'))
afterAll(() => rmSync(parent, { recursive: true, force: true }))

/** The next line that `init` prints, without a network: the dependency is the checkout itself. */
function installOffline(root: string): void {
  const npm = (...args: string[]) => spawnSync('npm', args, { cwd: root, encoding: 'utf8' })
  expect(npm('install', '--offline', '--no-audit', '--no-fund')).toMatchObject({ status: 0 })
  expect(npm('exec', '--offline', '--', 'sluice', '--version').stdout).toContain('0.1.0')
}

describe.each(Object.entries(templates))('sluice init --template %s', (name, expectation) => {
  const root = join(parent, name)

  test('makes a project that checks', async () => {
    const made = await command(parent, ['init', name, '--template', name, '--json'])
    if (name === 'retail') installOffline(root)
    expect(made.code, made.stderr).toBe(0)
    expect(JSON.parse(made.stdout)).toMatchObject({ template: name })
    expect(readdirSync(root)).toContain('.gitignore')
    const checked = await command(root, ['check', '--strict'])
    expect(checked.code, checked.stdout + checked.stderr).toBe(0)
  })

  test('has its files delivered once', () => {
    const before = readdirSync(join(root, 'inbox')).sort()
    expect(before.length).toBeGreaterThan(2)
    expect(generate(root)).toContain('delivered before')
    expect(readdirSync(join(root, 'inbox')).sort()).toEqual(before)
  })

  test('runs, and every row is where its figures say', async () => {
    const summary = await run(root, expectation.code)
    const { read, accepted, refusedFiles } = expectation
    expect(summary.rows).toMatchObject({ read, accepted, quarantined: read - accepted, dropped: 0 })
    expect(summary.refusedFiles).toBe(refusedFiles.length === 0 ? 0 : 1)
    expect(readdirSync(join(root, 'inbox'))).toEqual([])
    const errors = refusedFiles.length === 0 ? [] : readdirSync(join(root, 'error/orders')).sort()
    expect(errors).toEqual(refusedFiles)
    expect(await figures(root, expectation.figures)).toEqual(expectation.expected)
    const [kept] = await query(root, 'SELECT count(*) AS rows FROM sluice.quarantine')
    expect(Number(kept?.['rows'])).toBe(read - accepted)
  })

  test('finds nothing new when it runs again', async () => {
    const summary = await run(root, 0)
    expect(summary).toMatchObject({ tasks: { succeeded: 0, failed: 0, skipped: 0 }, rows: { read: 0, loaded: 0 } })
    expect(await figures(root, expectation.figures)).toEqual(expectation.expected)
  })

  test('works on what is delivered afterwards, and on nothing else', async () => {
    expectation.later(root)
    const summary = await run(root, 0)
    expect(summary.rows.read).toBe(expectation.laterRead)
  })
})

/** What the file drop's README says: correct the file in the error folder, and put it back. */
function mend(root: string): void {
  const text = readFileSync(join(root, 'error/orders/orders_20260401.csv'), 'utf8')
  writeFileSync(join(root, 'inbox/orders_20260401.csv'), text.replace('order_date', 'ordered_on'))
}

/** Delivers; returns what was said. */
function generate(root: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'generate.mjs'), ...args], {
    encoding: 'utf8',
  })
  expect(status, stderr).toBe(0)
  return stdout
}

async function run(root: string, code: number): Promise<{ rows: { read: number }; refusedFiles: number }> {
  const result = await command(root, ['run', '--json'])
  expect(result.code, result.stderr).toBe(code)
  const events = result.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; summary?: never })
  const last = events.at(-1)
  expect(last?.type).toBe('run.finished')
  return last?.summary as never
}

/** One row of figures, each as text. */
async function figures(root: string, sql: string): Promise<Record<string, string>> {
  const [row] = await query(root, sql)
  return Object.fromEntries(Object.entries(row ?? {}).map(([name, value]) => [name, String(value)]))
}
