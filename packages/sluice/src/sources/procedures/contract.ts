/** The result contract: the columns that arrive against those that were declared, before a row is accepted. Pure. */
import { printable } from '../../base/printable.ts'
import { duckDbType } from '../../definition/columns.ts'
import { suggest } from '../../definition/problems/suggest.ts'
import type { Column, ColumnType, ProcedureSource } from '../../definition/types.ts'
import { areExact, classify, holds } from '../../sql/types/lattice.ts'

/** A column that arrives; see `ResultColumn` of `connections/`. */
export interface ArrivingColumn {
  readonly name: string
  readonly serverType: string
  readonly type: ColumnType
}

/**
 * What a difference may cost. `additive`: nothing that is declared is touched. `widening`: values may come that the contract does not hold, and
 * are then refused one by one. `lossy`: values may have changed. `destructive`: values are missing, or nobody can say whose they are.
 */
export type DifferenceClass = 'additive' | 'widening' | 'lossy' | 'destructive'

/** One difference between the contract and what arrives. */
export interface Difference {
  readonly kind: 'added' | 'reordered' | 'retyped' | 'renamed' | 'missing' | 'repeated' | 'unnamed'
  readonly class: DifferenceClass
  /** The declared column's name; of an added one, the arriving name. */
  readonly column: string
  /** In words: the type, or the place. */
  readonly declared: string
  readonly arrived: string
  /** What the source would say to take it; nothing where no declaration can. */
  readonly paste?: string
}

/** A contract held against what arrives. */
export interface ContractMatch {
  /** For each declared column, in order, the place of its values; only complete where nothing is missing. */
  readonly positions: readonly number[]
  readonly differences: readonly Difference[]
}

/**
 * Compares arriving columns with the contract.
 *
 * @example matchContract({ id: { type: 'integer' } }, [{ name: 'id', serverType: 'bigint', type: 'bigint' }]).differences[0]?.class // 'widening'
 */
export function matchContract(
  columns: { readonly [column: string]: Column },
  arriving: readonly ArrivingColumn[],
): ContractMatch {
  const declared = Object.entries(columns).map(([name, column]) => ({ name, column, from: column.from ?? name }))
  const positions = declared.map(({ from }) => arriving.findIndex(({ name }) => name === from))
  const taken = new Set(positions)
  const added = arriving.map((_, place) => place).filter((place) => !taken.has(place))
  const differences: Difference[] = [...illNamed(arriving)]
  const renamed = new Set<number>()
  for (const [at, { name, column, from }] of declared.entries()) {
    const found = arriving[positions[at] as number]
    if (found !== undefined) {
      differences.push(...retyped(name, column, found))
      continue
    }
    const place = renamedTo(
      { place: at, from, column },
      arriving,
      added.filter((other) => !renamed.has(other)),
    )
    if (place === undefined) differences.push(missing(name, column))
    else {
      renamed.add(place)
      differences.push(renaming(name, column, arriving[place] as ArrivingColumn))
    }
  }
  for (const place of added) if (!renamed.has(place)) differences.push(...addition(arriving, place))
  differences.push(...reordered(declared, arriving, positions))
  return { positions, differences }
}

/**
 * Whether a source takes a difference, rather than being stopped by it.
 *
 * @example isTaken({ class: 'additive' }, 'widening') // true
 */
export function isTaken({ class: kind }: Pick<Difference, 'class'>, evolve: ProcedureSource['evolve']): boolean {
  if (kind === 'additive') return evolve !== 'none'
  return kind === 'widening' && evolve === 'widening'
}

function illNamed(arriving: readonly ArrivingColumn[]): readonly Difference[] {
  const names = new Set<string>()
  return arriving.flatMap(({ name, serverType }, place): Difference[] => {
    const at = `${serverType} at place ${place + 1}`
    if (name === '') return [{ kind: 'unnamed', class: 'destructive', column: '', declared: '', arrived: at }]
    if (!names.has(name)) {
      names.add(name)
      return []
    }
    return [{ kind: 'repeated', class: 'destructive', column: name, declared: '', arrived: at }]
  })
}

/** Names of the servers' character types: with any other, a value that comes as text is only one that no narrower type holds. */
const characters =
  /^(?:n?(?:var)?char|character(?: varying)?|bpchar|name|citext|n?text|(?:tiny|medium|long)text|enum|set)\b/i

function retyped(name: string, column: Column, { serverType, type }: ArrivingColumn): readonly Difference[] {
  const kind = typeClass(column, serverType, type)
  if (kind === undefined) return []
  const declared = column.serverType === undefined ? column.type : `${column.type} (${column.serverType})`
  const paste =
    column.serverType === undefined && type !== 'text'
      ? `${name}: ${column.nullable === true ? `nullable('${type}')` : `'${type}'`}`
      : `${name}: { type: '${type}', ${column.nullable === true ? 'nullable: true, ' : ''}serverType: '${serverType}' }`
  return [{ kind: 'retyped', class: kind, column: name, declared, arrived: serverType, paste }]
}

/** How bad an arriving type is for a declared column; undefined where its values are at home there. */
function typeClass(column: Column, serverType: string, type: ColumnType): DifferenceClass | undefined {
  if (column.serverType !== undefined) {
    if (spelling(column.serverType) === spelling(serverType)) return undefined
    return serverTypeClass(column.serverType, serverType)
  }
  if (column.type === 'text' || fits(type, column.type)) return undefined
  if (type === 'text' && (!characters.test(serverType) || readsText(column))) return undefined
  return fits(column.type, type) && type !== 'text' ? 'widening' : 'lossy'
}

const fits = (from: ColumnType, to: ColumnType): boolean => holds(duckDbType(to), duckDbType(from))

/** Whether the declaration says how to read a text: then text is what was expected. */
function readsText(column: Column): boolean {
  const { format, fraction, nulls, zone, trueValues, decimalSeparator, groupSeparator, trim, encoding } = column
  return [format, fraction, nulls, zone, trueValues, decimalSeparator, groupSeparator, trim, encoding].some(
    (option) => option !== undefined,
  )
}

const spelling = (type: string): string => type.toLowerCase().replace(/\s+/g, '')

/** The server's own type was pinned, and another came: wider where numbers say so, or only lengths grew. */
function serverTypeClass(pinned: string, arrived: string): DifferenceClass | undefined {
  if (areExact(pinned, arrived)) {
    const change = classify(pinned, arrived)
    return change === 'same' ? undefined : change
  }
  const [before, after] = [pinned, arrived].map(sizes)
  if (before === undefined || after === undefined) return 'lossy'
  const isSameKind = before.name === after.name && before.sizes.length === after.sizes.length
  return isSameKind && before.sizes.every((size, at) => size <= (after.sizes[at] as number)) ? 'widening' : 'lossy'
}

function sizes(type: string): { readonly name: string; readonly sizes: readonly number[] } | undefined {
  const [, name, list] = /^([\w ]+?)(?:\(([\d, max]+)\))?$/.exec(type.trim().toLowerCase()) ?? []
  if (name === undefined) return undefined
  const numbers = list?.split(',').map((one) => (one.trim() === 'max' ? 2 ** 31 : Number(one)))
  return { name, sizes: numbers ?? [] }
}

/** Where a missing column went: the same place and a type that fits, under a name that is alike or the only one left. */
function renamedTo(
  { place, from, column }: { readonly place: number; readonly from: string; readonly column: Column },
  arriving: readonly ArrivingColumn[],
  free: readonly number[],
): number | undefined {
  const fitting = free.filter((other) => {
    const { name, serverType, type } = arriving[other] as ArrivingColumn
    return name !== '' && typeClass(column, serverType, type) === undefined
  })
  const alike = suggest(
    from,
    fitting.map((other) => (arriving[other] as ArrivingColumn).name),
  )
  const byName = fitting.find((other) => arriving[other]?.name === alike)
  return byName ?? fitting.find((other) => other === place)
}

function renaming(name: string, column: Column, to: ArrivingColumn): Difference {
  return {
    kind: 'renamed',
    class: 'destructive',
    column: name,
    declared: column.from ?? name,
    arrived: `${to.name} ${to.serverType}`,
    paste: `${name}: { type: '${column.type}', ${column.nullable === true ? 'nullable: true, ' : ''}from: '${to.name}' }`,
  }
}

function missing(name: string, column: Column): Difference {
  return { kind: 'missing', class: 'destructive', column: name, declared: column.type, arrived: '(none)' }
}

function addition(arriving: readonly ArrivingColumn[], place: number): readonly Difference[] {
  const { name, serverType, type } = arriving[place] as ArrivingColumn
  const isTwice = arriving.findIndex((other) => other.name === name) < place
  if (name === '' || isTwice) return []
  const key = /^[A-Za-z_]\w*$/.test(name) ? name : `'${name.replaceAll("'", "\\'")}'`
  const paste = `${key}: nullable('${type}')`
  return [{ kind: 'added', class: 'additive', column: name, declared: '(none)', arrived: serverType, paste }]
}

/** Columns that both sides have, in another order: the first that is out of its place stands for all. */
function reordered(
  declared: readonly { readonly name: string }[],
  arriving: readonly ArrivingColumn[],
  positions: readonly number[],
): readonly Difference[] {
  const held = positions.flatMap((place, at) => (place < 0 ? [] : [{ at, place }]))
  const sorted = [...held].sort((a, b) => a.place - b.place)
  const at = held.findIndex((one, index) => one !== sorted[index])
  if (at < 0) return []
  const { at: wanted, place } = held[at] as { at: number; place: number }
  const order = sorted.map((one) => declared[one.at]?.name).join(', ')
  return [
    {
      kind: 'reordered',
      class: 'additive',
      column: declared[wanted]?.name ?? '',
      declared: `place ${wanted + 1}`,
      arrived: `place ${place + 1} of ${arriving.length}`,
      paste: `// in this order: ${order}`,
    },
  ]
}

/**
 * Differences as a small table, with what to paste under it.
 *
 * @example differencesText([{ kind: 'added', class: 'additive', column: 'phone', declared: '(none)', arrived: 'nvarchar(20)' }])
 */
export function differencesText(differences: readonly Difference[]): string {
  const rows = [
    ['difference', 'class', 'column', 'declared', 'arrived'],
    ...differences.map((one) => [one.kind, one.class, one.column, one.declared, one.arrived].map(printable)),
  ]
  const widths = rows[0]?.map((_, at) => Math.max(...rows.map((row) => (row[at] as string).length))) ?? []
  const lines = rows.map((row) => `  ${row.map((text, at) => text.padEnd(widths[at] as number)).join('  ')}`.trimEnd())
  const pastes = differences.flatMap(({ paste }) => (paste === undefined ? [] : [`  ${printable(paste)}`]))
  return [...lines, ...(pastes.length === 0 ? [] : ['In `columns`, to take what arrives:', ...pastes])].join('\n')
}
