/** The scan of files: what it refuses is held by its number or its texts, until its bytes are found in the delivered file. */
import type { FilesSource } from '../../definition/types.ts'
import type { Session, WrittenFile } from '../../engines/engine.ts'
import { castColumn } from '../../quality/casts.ts'
import { type RowContract, rowContract } from '../../quality/rows/contract.ts'
import { anyTwice, brokenSql } from '../../quality/rows/keys.ts'
import { openScan, ruleGroup, typedSql } from '../../quality/rows/scan.ts'
import type { ColumnCast } from '../../quality/rule.ts'
import { quoteIdentifier, quoteText } from '../../sql/quote.ts'
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

/** Captured texts are held up to these; beyond, records are numbered instead. */
const heldTexts = { rows: 100_000, characters: 32 * 1024 * 1024 }
const heldRows = 1_000_000

const contracts = new WeakMap<FilesSource, RowContract>()

/** The contract of a source, over the columns of a scan; without one, for its names and types alone. */
export function fileContract(source: FilesSource, input?: Pick<ScanInput, 'positions' | 'casts'>): RowContract {
  const known = input === undefined ? contracts.get(source) : undefined
  if (known !== undefined) return known
  const casts =
    input?.casts ??
    Object.entries(source.columns).map(([name, column], place) =>
      castColumn(name, column, textColumnSql(input?.positions[place] ?? place)),
    )
  const { checks, key } = source
  const contract = rowContract(casts, {
    checks,
    ...(key === undefined ? {} : { key }),
    refuses: 'rows and keys',
  })
  // Thousands of small files share it.
  if (input === undefined) contracts.set(source, contract)
  return contract
}

/** Scans and writes; nothing is durable yet. */
export async function scanRows(
  session: Session,
  source: FilesSource,
  input: ScanInput,
  folder: string,
): Promise<ScanResult> {
  const contract = fileContract(source, input)
  const collector = captureRows(session, contract, input)
  const written = await session.write(selectSql(source, contract, input, collector), { folder })
  const { keys } = contract
  const hasTwice = keys.length > 0 && written.some(({ rows }) => rows > 1) && (await anyTwice(session, keys, written))
  if (!hasTwice) return result(written, collector)
  if (!input.isCarried) return { ...result(written, collector), isOverflow: true }
  return scanKeyed(session, source, contract, input, folder)
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
  readonly good: (relation: string) => string
}

function captureRows(session: Session, { rules }: RowContract, input: ScanInput): Collector {
  const rows: CapturedRow[] = []
  let characters = 0
  let isOverflow = false
  const carries = input.isCarried
    ? [quoteIdentifier(carried.file), quoteIdentifier(carried.record)]
    : Array.from({ length: input.fields }, (_, place) => textColumnSql(place))
  const good = openScan(session, [ruleGroup(rules)], carries, (reasons, texts) => {
    if (isOverflow) return
    if (input.isCarried) {
      rows.push({ file: Number(texts[0]), record: Number(texts[1]), reasons })
      isOverflow = rows.length >= heldRows
      return
    }
    for (const text of texts) characters += text?.length ?? 0
    rows.push({ file: 0, record: 0, reasons, texts })
    isOverflow = rows.length >= heldTexts.rows || characters >= heldTexts.characters
  })
  return { rows, isOverflow: () => isOverflow, good }
}

/** Typed rows that obey every rule; with `isNumbered`, with their file's and record's numbers. */
function selectSql(
  source: FilesSource,
  { casts }: RowContract,
  input: ScanInput,
  { good }: Collector,
  isNumbered = false,
): string {
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
  const rows = good(`(${typedSql(input.relation, casts)})`)
  if (only !== undefined) return `SELECT ${columns.join(', ')} FROM (${rows})`
  const files = input.files.map((file, at) => `('${at}', ${quoteText(file.path)}, ${dateSql(file.fileDate)})`)
  return `SELECT ${columns.join(', ')} FROM (${rows}) AS rows JOIN (VALUES ${files.join(', ')}) AS _sluice_files(number, path, file_date) ON _sluice_files.number = rows.${quoteIdentifier(carried.file)}`
}

const dateSql = (date: string | undefined): string => (date === undefined ? 'NULL::DATE' : `DATE ${quoteText(date)}`)

/** The same scan where keys do come twice: through a table, since a row's fate depends on others. */
async function scanKeyed(
  session: Session,
  source: FilesSource,
  contract: RowContract,
  input: ScanInput,
  folder: string,
): Promise<ScanResult> {
  const { keys } = contract
  const collector = captureRows(session, contract, input)
  const [file, record] = [quoteIdentifier(carried.file), quoteIdentifier(carried.record)]
  await session.run(
    `CREATE OR REPLACE TEMP TABLE _sluice_rows AS ${selectSql(source, contract, input, collector, true)}`,
  )
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

/** The text columns of a file that DuckDB reads itself. */
export const directColumns = (fields: number): readonly string[] =>
  Array.from({ length: fields }, (_, place) => textColumn(place))
