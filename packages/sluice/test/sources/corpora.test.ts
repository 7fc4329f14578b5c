import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { isSluiceError } from '../../src/base/errors.ts'
import { diskInbox } from '../../src/inbox/disk/inbox.ts'
import { crawlFiles } from '../../src/sources/files/crawl/crawl.ts'
import { openDrop, sourceOf } from './drop.ts'

const data = join(dirname(fileURLToPath(import.meta.url)), '../../../../../shared/data')

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? filesBelow(path) : [path]
  })
}

/** Crawls one foreign file and takes it by the proposal: an answer either way. */
async function answer(file: string): Promise<{ answer: 'taken' | 'refused'; why: string; read: number }> {
  await using drop = await openDrop()
  const path = `inbox/${basename(file)}`
  drop.deliverCopy(path, file)
  try {
    const { source, files } = await crawlFiles(drop.session, { inbox: diskInbox(drop.root), path: 'inbox/*' })
    const taken = await drop.take({ ...source, error: 'error', path: 'inbox/*' })
    const [refused] = taken.refused
    if (refused !== undefined) return { answer: 'refused', why: refused.error.name, read: 0 }
    const { read, accepted, quarantined, bytes } = taken.candidate!.accounting
    expect(read, 'the crawl and the take count alike').toBe(files[0]!.rows)
    expect(accepted + quarantined).toBe(read)
    expect(taken.rows.length).toBe(accepted)
    expect(taken.quarantine.length).toBe(quarantined)
    expect(bytes!.total).toBe(statSync(file).size)
    expect(bytes!.header + bytes!.records).toBe(bytes!.total)
    return { answer: 'taken', why: '', read }
  } catch (error) {
    if (!isSluiceError(error) || !error.name.startsWith('Source.')) throw error
    return { answer: 'refused', why: error.name, read: 0 }
  }
}

describe.skipIf(!existsSync(data))(`files that others made (skipped where ${data} is absent)`, () => {
  test('IN-01 to IN-12: every file of the CSV corpora has an answer, and its rows and bytes account', async () => {
    const answers = new Map<string, string>()
    for (const file of filesBelow(join(data, 'csv_corpora'))) {
      if (!/\.(csv|tsv|json|txt)$/.test(file)) continue
      const found = await answer(file)
      answers.set(relative(data, file), found.answer === 'taken' ? `taken ${found.read}` : found.why)
    }
    const counts = new Map<string, number>()
    for (const one of answers.values()) {
      const kind = one.startsWith('taken') ? 'taken' : one
      counts.set(kind, (counts.get(kind) ?? 0) + 1)
    }
    console.info(Object.fromEntries(counts))
    if (process.env['SLUICE_TEST_VERBOSE'] !== undefined) console.info(Object.fromEntries(answers))
    expect(counts.get('taken')).toBeGreaterThan(150)
  })

  test('IN-27: every bad Parquet file is refused, or its rows account; so is every good one', async () => {
    const answers = new Map<string, string>()
    for (const folder of ['bad_data', 'data']) {
      for (const file of filesBelow(join(data, 'parquet_testing', folder))) {
        if (!/\.(parquet|encrypted)$/.test(file)) continue
        const found = await answer(file)
        answers.set(`${folder}/${basename(file)}`, found.answer === 'taken' ? `taken ${found.read}` : found.why)
      }
    }
    if (process.env['SLUICE_TEST_VERBOSE'] !== undefined) console.info(Object.fromEntries(answers))
    const bad = [...answers].filter(([name]) => name.startsWith('bad_data/'))
    // The one that DuckDB can read: a dictionary of one value has indexes of 0 bits.
    expect(bad.filter(([, one]) => one.startsWith('taken')).map(([name]) => basename(name))).toEqual([
      'ARROW-GH-43605.parquet',
    ])
    expect(answers.get('data/alltypes_plain.parquet')).toBe('taken 8')
  })

  test('the shop: 42,481 rows read, refused by their first broken rule', async () => {
    await using drop = await openDrop()
    for (const file of filesBelow(join(data, 'online_retail_2010_12'))) {
      if (file.endsWith('.csv')) drop.deliverCopy(`inbox/${basename(file)}`, file)
    }
    const text = { type: 'text', nullable: true } as const
    const source = sourceOf(
      {
        invoice_no: { type: 'text', from: 'InvoiceNo' },
        stock_code: { type: 'text', from: 'StockCode' },
        description: { ...text, from: 'Description' },
        quantity: { type: 'integer', from: 'Quantity' },
        invoice_date: { type: 'timestamp', from: 'InvoiceDate' },
        unit_price: { type: 'decimal(12,3)', from: 'UnitPrice' },
        customer_id: { ...text, from: 'CustomerID' },
        country: { type: 'text', from: 'Country' },
      },
      {
        fileDate: 'yyyy-MM-dd',
        checks: [
          { kind: 'notNull', column: 'customer_id' },
          { kind: 'row', name: 'cancelled', sql: "NOT starts_with(invoice_no, 'C')" },
          { kind: 'range', column: 'quantity', min: 1 },
          { kind: 'row', name: 'price', sql: 'unit_price > 0' },
        ],
      },
    )
    const taken = await drop.take(source)
    const { accounting, quarantine } = taken.candidate!
    expect(accounting).toMatchObject({ read: 42_481, accepted: 26_157, quarantined: 16_324 })
    expect(quarantine.map(({ reasons }) => reasons)).toEqual([
      { 'notNull:customer_id': 15_631, cancelled: 690, price: 3 },
    ])
    // Every file a second time, under another name: the same total.
    const known = new Map(taken.inputs.map(({ id, path }) => [id, path]))
    await drop.acknowledge(source, taken)
    for (const file of filesBelow(join(data, 'online_retail_2010_12'))) {
      if (file.endsWith('.csv')) drop.deliverCopy(`inbox/again_${basename(file)}`, file)
    }
    const again = await drop.take(source, known)
    expect(new Set(again.inputs.map(({ decision }) => decision))).toEqual(new Set(['known']))
    expect(again.candidate).toBeUndefined()
  })
})
