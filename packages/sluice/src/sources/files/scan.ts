/** One scan does it all: strict casts, row checks, capture of bad rows, and the write of good ones. */
import type { Check, FilesSource } from '../../definition/types.ts'
import type { Session, WrittenFile } from '../../engines/engine.ts'
import { castColumn } from '../../quality/casts.ts'
import type { ColumnCast, RowRule } from '../../quality/rule.ts'
import { acceptSql, checkNames, decodeMask, rowRules } from '../../quality/rules.ts'
import { quoteIdentifier, quoteText, readParquetSql } from '../../sql/quote.ts'
import { carried, textColumn, textColumnSql } from './text/normalised.ts'
import type { FileColumns } from './text/survey.ts'

/** One row that the scan refused. */
export interface CapturedRow {
  /** The number of its file. */
  readonly file: number
  /** The record's number, or 0 where the scan does not know it. */
  readonly record: number
  readonly reasons: readonly string[]
  /** All texts of the file's columns, where the record's number is not known. */
  readonly texts?: readonly (string | null)[]
}

/** What is scanned. */
export interface ScanInput extends FileColumns {
  /** What stands after FROM: text columns, and the carried ones where `isCarried`. */
  readonly relation: string
  readonly isCarried: boolean
  /** How columns become values, where they are no texts. @default strict casts of texts */
  readonly casts?: readonly ColumnCast[]
  /** By number; one file where the scan carries no numbers. */
  readonly files: readonly { readonly path: string; readonly fileDate?: string }[]
}

/** What came of a scan. */
export interface ScanResult {
  readonly written: readonly WrittenFile[]
  readonly accepted: number
  readonly captured: readonly CapturedRow[]
  /** More was captured than is held: the captured rows are not all there. */
  readonly isOverflow: boolean
}

/** The contract's part of a scan. */
export interface RowContract {
  readonly casts: readonly ColumnCast[]
  readonly rules: readonly RowRule[]
}

/** Captured texts are held up to these; beyond, records are numbered instead. */
const heldTexts = { rows: 100_000, characters: 32 * 1024 * 1024 }
const heldRows = 1_000_000

const contracts = new WeakMap<FilesSource, RowContract>()

/** The casts and rules of a source, over the columns of a scan; without one, for their names and types alone. */
export function rowContract(source: FilesSource, input?: Pick<ScanInput, 'positions' | 'casts'>): RowContract {
  const known = input === undefined ? contracts.get(source) : undefined
  if (known !== undefined) return known
  const casts =
    input?.casts ??
    Object.entries(source.columns).map(([name, column], place) =>
      castColumn(name, column, textColumnSql(input?.positions[place] ?? place)),
    )
  const contract = { casts, rules: rowRules(casts, source.checks, { defaultAction: 'quarantine' }) }
  // Thousands of small files share it.
  if (input === undefined) contracts.set(source, contract)
  return contract
}

/** The columns that Sluice adds. */
export function addedColumns(source: FilesSource): readonly { readonly name: string; readonly type: string }[] {
  return [
    { name: '_file', type: 'VARCHAR' },
    ...(source.fileDate === undefined ? [] : [{ name: '_file_date', type: 'DATE' }]),
    ...(source.rowNumbers === true ? [{ name: '_row', type: 'BIGINT' }] : []),
  ]
}

/** Keys that are to be unique within a file: the declared one, then checks that quarantine. */
export interface FileKey {
  readonly name: string
  readonly columns: readonly string[]
  readonly lastBy?: string
}

/** The keys of a source whose duplicates are refused row by row. */
export function fileKeys(source: FilesSource): readonly FileKey[] {
  const names = checkNames(source.checks)
  const refusing = (check: Check): boolean =>
    check.kind === 'unique' && check.severity !== 'warn' && (check.action ?? 'quarantine') === 'quarantine'
  return [
    ...(source.key === undefined
      ? []
      : [
          {
            name: 'key',
            columns: source.key.columns,
            ...(source.key.keep === 'none' ? {} : { lastBy: source.key.keep.lastBy }),
          },
        ]),
    ...source.checks.flatMap((check, place) =>
      check.kind === 'unique' && refusing(check) ? [{ name: names[place]!, columns: check.columns }] : [],
    ),
  ]
}

const captures = new WeakMap<Session, number>()

/** Scans and writes; nothing is durable yet. */
export async function scanRows(
  session: Session,
  source: FilesSource,
  input: ScanInput,
  folder: string,
): Promise<ScanResult> {
  const collector = captureRows(session, rowContract(source, input), input)
  const keys = fileKeys(source)
  const written = await session.write(selectSql(source, input, collector, false), { folder })
  const hasTwice = keys.length > 0 && written.some(({ rows }) => rows > 1) && (await anyTwice(session, keys, written))
  if (!hasTwice) return result(written, collector)
  if (!input.isCarried) return { ...result(written, collector), isOverflow: true }
  return scanKeyed(session, source, input, folder, keys)
}

function result(written: readonly WrittenFile[], collector: Collector): ScanResult {
  return {
    written: written.filter(({ rows }) => rows > 0),
    accepted: written.reduce((sum, { rows }) => sum + rows, 0),
    captured: collector.rows,
    isOverflow: collector.isOverflow(),
  }
}

interface Collector {
  readonly rows: CapturedRow[]
  isOverflow(): boolean
  /** Whether a row obeys every rule, as a column of its own: DuckDB decides whole vectors at once only outside of a WHERE. */
  readonly isGood: string
  readonly where: string
}

const isGood = '_sluice_is_good'

function captureRows(session: Session, contract: RowContract, input: ScanInput): Collector {
  const number = (captures.get(session) ?? 0) + 1
  captures.set(session, number)
  const name = `sluice_capture_${number}`
  const accept = acceptSql(contract.rules)
  const extra = accept.moreMasks.length
  const rows: CapturedRow[] = []
  const reasonsOf = new Map<string, readonly string[]>()
  let characters = 0
  let isOverflow = false
  session.capture(name, (mask, fields) => {
    if (isOverflow) return
    const more = fields.slice(0, extra)
    const key = [mask, ...more].join()
    let reasons = reasonsOf.get(key)
    if (reasons === undefined) {
      reasons = decodeMask(
        mask,
        contract.rules,
        more.map((text) => BigInt(text ?? 0)),
      )
      reasonsOf.set(key, reasons)
    }
    if (input.isCarried) {
      rows.push({ file: Number(fields[extra]), record: Number(fields[extra + 1]), reasons })
      isOverflow = rows.length >= heldRows
      return
    }
    const texts = fields.slice(extra)
    for (const text of texts) characters += text?.length ?? 0
    rows.push({ file: 0, record: 0, reasons, texts })
    isOverflow = rows.length >= heldTexts.rows || characters >= heldTexts.characters
  })
  const fields = [
    ...accept.moreMasks.map((mask) => `(${mask})::VARCHAR`),
    ...(input.isCarried
      ? [quoteIdentifier(carried.file), quoteIdentifier(carried.record)]
      : Array.from({ length: input.fields }, (_, place) => textColumnSql(place))),
  ]
  return {
    rows,
    isOverflow: () => isOverflow,
    isGood: accept.predicate,
    where: `CASE WHEN ${isGood} THEN true ELSE ${name}(${accept.mask}, [${fields.join(', ')}]) END`,
  }
}

/** Typed rows that obey every rule; with `isNumbered`, with their file's and record's numbers. */
function selectSql(source: FilesSource, input: ScanInput, collector: Collector, isNumbered: boolean): string {
  const { casts } = rowContract(source, input)
  const inner = ['*', ...casts.map((cast) => `${cast.value} AS ${quoteIdentifier(cast.name)}`)]
  const only = input.files.length === 1 ? input.files[0] : undefined
  const [path, date] =
    only === undefined
      ? ['_sluice_files.path', '_sluice_files.file_date']
      : [quoteText(only.path), dateSql(only.fileDate)]
  const columns = [
    ...casts.map((cast) => quoteIdentifier(cast.name)),
    `${path} AS _file`,
    ...(source.fileDate === undefined ? [] : [`${date} AS _file_date`]),
    ...(source.rowNumbers === true ? [`${quoteIdentifier(carried.record)}::BIGINT AS _row`] : []),
    ...(isNumbered ? [quoteIdentifier(carried.file), quoteIdentifier(carried.record)] : []),
  ]
  const typed = `SELECT ${inner.join(', ')} FROM ${input.relation}`
  const rows = `SELECT * FROM (SELECT *, ${collector.isGood} AS ${isGood} FROM (${typed})) WHERE ${collector.where}`
  if (only !== undefined) return `SELECT ${columns.join(', ')} FROM (${rows})`
  const files = input.files.map((file, at) => `('${at}', ${quoteText(file.path)}, ${dateSql(file.fileDate)})`)
  return `SELECT ${columns.join(', ')} FROM (${rows}) AS rows JOIN (VALUES ${files.join(', ')}) AS _sluice_files(number, path, file_date) ON _sluice_files.number = rows.${quoteIdentifier(carried.file)}`
}

const dateSql = (date: string | undefined): string => (date === undefined ? 'NULL::DATE' : `DATE ${quoteText(date)}`)

const present = (columns: readonly string[]): string =>
  columns.map((column) => `${quoteIdentifier(column)} IS NOT NULL`).join(' AND ')

async function anyTwice(session: Session, keys: readonly FileKey[], written: readonly WrittenFile[]): Promise<boolean> {
  const files = readParquetSql(written.map(({ file }) => file))
  for (const { columns } of keys) {
    const group = ['_file', ...columns.map(quoteIdentifier)].join(', ')
    const [row] = await session.all(
      `SELECT 1 FROM ${files} WHERE ${present(columns)} GROUP BY ${group} HAVING count(*) > 1 LIMIT 1`,
    )
    if (row !== undefined) return true
  }
  return false
}

/** The same scan where keys do come twice: through a table, since a row's fate depends on others. */
async function scanKeyed(
  session: Session,
  source: FilesSource,
  input: ScanInput,
  folder: string,
  keys: readonly FileKey[],
): Promise<ScanResult> {
  const collector = captureRows(session, rowContract(source, input), input)
  const [file, record] = [quoteIdentifier(carried.file), quoteIdentifier(carried.record)]
  await session.run(`CREATE OR REPLACE TEMP TABLE _sluice_rows AS ${selectSql(source, input, collector, true)}`)
  const broken = keys.map((key) => brokenSql(key, file))
  await session.run(
    `CREATE OR REPLACE TEMP TABLE _sluice_keyed AS SELECT ${file} AS file, ${record} AS record, [${broken.join(', ')}] AS broken FROM _sluice_rows`,
  )
  const refused = await session.all<{ file: string; record: string; broken: readonly boolean[] }>(
    'SELECT * FROM _sluice_keyed WHERE list_contains(broken, true)',
  )
  const good = `SELECT * EXCLUDE (${file}, ${record}) FROM _sluice_rows WHERE (${file}, ${record}) NOT IN (SELECT (file, record) FROM _sluice_keyed WHERE list_contains(broken, true))`
  const written = await session.write(good, { folder })
  await session.run('DROP TABLE _sluice_rows; DROP TABLE _sluice_keyed')
  for (const row of refused) {
    const reasons = keys.filter((_, place) => row.broken[place]).map(({ name }) => name)
    collector.rows.push({ file: Number(row.file), record: Number(row.record), reasons })
  }
  return result(written, collector)
}

/** Whether a row's key is another row's of the same file, and this row is not the one that is kept. */
function brokenSql(key: FileKey, file: string): string {
  const same = `PARTITION BY ${[file, ...key.columns.map(quoteIdentifier)].join(', ')}`
  const isTwice = `count(*) OVER (${same}) > 1`
  if (key.lastBy === undefined) return `(${present(key.columns)} AND ${isTwice})`
  const by = quoteIdentifier(key.lastBy)
  const isLast = `rank() OVER (${same} ORDER BY ${by} DESC NULLS LAST) = 1 AND count(*) OVER (${same}, ${by}) = 1`
  return `(${present(key.columns)} AND ${isTwice} AND NOT (${isLast}))`
}

/** The text columns of a file that DuckDB reads itself. */
export const directColumns = (fields: number): readonly string[] =>
  Array.from({ length: fields }, (_, place) => textColumn(place))
