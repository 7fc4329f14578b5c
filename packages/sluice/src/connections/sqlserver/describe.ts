/** What there is to call: from the server's own catalog procedures, by remote procedure calls as everything else. */
import { isSluiceError } from '../../base/errors.ts'
import type { ColumnType } from '../../definition/types.ts'
import type { ProcedureDescription, ResultColumn } from '../connection.ts'
import { type CatalogRow, catalogRows, isNamed, patternOf, withoutNumber } from './catalog.ts'
import type { OpenConnection } from './connect.ts'
import { parameterName, procedureName, quotedPart, splitName } from './names.ts'

const timeoutMs = 60_000

const ask = (open: OpenConnection, procedure: string, values: Readonly<Record<string, string>>) =>
  catalogRows(open, procedure, values, AbortSignal.timeout(timeoutMs), timeoutMs)

const systemSchemas: ReadonlySet<string> = new Set(['sys', 'information_schema'])

/**
 * Procedures that this login may call; with a name, that one alone.
 *
 * @example await describeProcedures(open, 'dbo.usp_customers')
 */
export async function describeProcedures(
  open: OpenConnection,
  name?: string,
): Promise<readonly ProcedureDescription[]> {
  const [wanted, owner] = name === undefined ? [] : [...splitName(name)].reverse()
  const listed = await ask(open, 'sp_stored_procedures', {
    ...(wanted === undefined ? {} : { sp_name: patternOf(wanted) }),
    ...(owner === undefined ? {} : { sp_owner: patternOf(owner) }),
  })
  const found: ProcedureDescription[] = []
  for (const row of listed) {
    const schema = row.get('procedure_owner') ?? 'dbo'
    if (systemSchemas.has(schema.toLowerCase())) continue
    if (wanted !== undefined && !isNamed(row, wanted, owner)) continue
    found.push(await describeOne(open, schema, withoutNumber(row.get('procedure_name'))))
  }
  return found.sort((a, b) => (a.procedure < b.procedure ? -1 : 1))
}

async function describeOne(open: OpenConnection, schema: string, name: string): Promise<ProcedureDescription> {
  const rows = await ask(open, 'sp_sproc_columns', {
    procedure_name: patternOf(name),
    procedure_owner: patternOf(schema),
  })
  const parameters = rows
    .filter((row) => isNamed(row, name, schema) && row.get('column_type') !== '5')
    .map((row) => ({
      name: (row.get('column_name') ?? '').replace(/^@/, ''),
      ...describedType(row),
      output: row.get('column_type') === '2' || row.get('column_type') === '4',
    }))
  const procedure = `${quotedPart(schema)}.${quotedPart(name)}`
  return { procedure, parameters, ...(await firstResult(open, procedure, parameters)) }
}

/** A type by the catalog's words: name, precision, length in bytes, scale. */
function describedType(row: CatalogRow): { readonly serverType: string; readonly type: ColumnType } {
  const name = (row.get('type_name') ?? 'sql_variant').toLowerCase()
  const [precision, scale] = [row.get('precision') ?? '18', row.get('scale') ?? '0']
  if (/^(decimal|numeric)$/.test(name)) return typeOfName(`${name}(${precision},${scale})`)
  if (/^(time|datetime2|datetimeoffset)$/.test(name)) return typeOfName(`${name}(${scale})`)
  if (/^n?(var)?char$|^(var)?binary$/.test(name)) {
    const isMax = Number(precision) <= 0 || Number(precision) > 8000
    return typeOfName(`${name}(${isMax ? 'max' : precision})`)
  }
  return typeOfName(name)
}

const typeNames: { readonly [name: string]: ColumnType } = {
  bit: 'boolean',
  tinyint: 'smallint',
  smallint: 'smallint',
  int: 'integer',
  bigint: 'bigint',
  real: 'real',
  float: 'float',
  money: 'decimal(19,4)',
  smallmoney: 'decimal(10,4)',
  date: 'date',
  time: 'time',
  datetime: 'timestamp',
  smalldatetime: 'timestamp',
  datetime2: 'timestamp',
  datetimeoffset: 'timestamptz',
  uniqueidentifier: 'uuid',
  binary: 'binary',
  varbinary: 'binary',
  image: 'binary',
  timestamp: 'binary',
  rowversion: 'binary',
}

/** A type by its SQL name, `decimal(18,4)`. */
function typeOfName(serverType: string): { readonly serverType: string; readonly type: ColumnType } {
  const [, name = '', size] = /^([a-z0-9_]+)(?:\(([^)]*)\))?/.exec(serverType) ?? []
  const type = /^(decimal|numeric)$/.test(name)
    ? (`decimal(${size ?? '18,0'})` as ColumnType)
    : (typeNames[name] ?? 'text')
  return { serverType, type }
}

/** The first result set, where the server can tell it without running the procedure. */
async function firstResult(
  open: OpenConnection,
  procedure: string,
  parameters: ProcedureDescription['parameters'],
): Promise<Pick<ProcedureDescription, 'columns' | 'note'>> {
  const names = parameters.map(({ name }) => `@${parameterName(name)}`)
  // Analysed by the server, never run; made of names that were checked and quoted.
  const tsql = `EXEC ${procedureName(procedure)} ${names.map((name) => `${name} = ${name}`).join(', ')}`.trim()
  const params = parameters.map(({ serverType }, i) => `${names[i]} ${serverType}`).join(', ')
  try {
    const rows = await ask(open, 'sp_describe_first_result_set', { tsql, ...(params === '' ? {} : { params }) })
    const columns = rows
      .filter((row) => row.get('is_hidden') !== 'true')
      .map(
        (row): ResultColumn => ({
          name: row.get('name') ?? '',
          ...typeOfName(row.get('system_type_name') ?? 'sql_variant'),
          ...(row.get('is_nullable') === null ? {} : { nullable: row.get('is_nullable') === 'true' }),
        }),
      )
    if (columns.length > 0) return { columns }
    return { note: 'The server does not know the columns without a call.' }
  } catch (error) {
    if (!isSluiceError(error) || !open.isUsable) throw error
    return {
      note: `The server does not know the columns without a call: ${String(error.params['why'] ?? error.message)}.`,
    }
  }
}
