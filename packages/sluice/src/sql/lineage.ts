/** Column lineage across models: from a column up to the sources, or down to everything made from it. */
import type { SqlAnalysis } from './analysis.ts'

/** Analyses by the table each model makes. */
export interface Analyses {
  readonly [table: string]: Pick<SqlAnalysis, 'columns'>
}

/** A column and what it is made from (upstream) or what is made from it (downstream). */
export interface ColumnTrace {
  /** `analytics.fact_sales.revenue`. */
  readonly column: string
  readonly next: readonly ColumnTrace[]
}

/**
 * Walks upstream, to the columns that no model makes. Where models go round in a circle, each column is entered once.
 *
 * @example traceColumn(analyses, 'analytics.fact_sales.revenue').next.map((one) => one.column) // ['stage.sales.price', …]
 */
export function traceColumn(analyses: Analyses, column: string): ColumnTrace {
  const edges = new Map<string, readonly string[]>()
  for (const [table, { columns }] of Object.entries(analyses)) {
    for (const made of columns) edges.set(key(`${table}.${made.column}`), made.from)
  }
  return walk(column, edges, new Set())
}

/**
 * Walks downstream, to the columns from which nothing is made.
 *
 * @example dependentsOf(analyses, 'raw.sales.quantity')
 */
export function dependentsOf(analyses: Analyses, column: string): ColumnTrace {
  const edges = new Map<string, string[]>()
  for (const [table, { columns }] of Object.entries(analyses)) {
    for (const made of columns) {
      for (const from of made.from) {
        const known = edges.get(key(from))
        if (known === undefined) edges.set(key(from), [`${table}.${made.column}`])
        else known.push(`${table}.${made.column}`)
      }
    }
  }
  return walk(column, edges, new Set())
}

/** Names are compared without regard to case. */
const key = (column: string): string => column.toLowerCase()

function walk(column: string, edges: ReadonlyMap<string, readonly string[]>, above: ReadonlySet<string>): ColumnTrace {
  if (above.has(key(column))) return { column, next: [] }
  const within = new Set([...above, key(column)])
  const next = [...(edges.get(key(column)) ?? [])].sort()
  return { column, next: next.map((one) => walk(one, edges, within)) }
}

/**
 * A trace as the text of a Mermaid flow chart, data flowing from left to right.
 *
 * @example lineageMermaid(traceColumn(analyses, 'stage.sales.revenue'), 'upstream')
 */
export function lineageMermaid(trace: ColumnTrace, direction: 'upstream' | 'downstream'): string {
  const ids = new Map<string, string>()
  const edges = new Set<string>()
  const idOf = (column: string): string => {
    const known = ids.get(column)
    if (known !== undefined) return known
    const id = `c${ids.size}`
    ids.set(column, id)
    return id
  }
  const visit = ({ column, next }: ColumnTrace): void => {
    const own = idOf(column)
    for (const one of next) {
      const other = idOf(one.column)
      edges.add(direction === 'upstream' ? `  ${other} --> ${own}` : `  ${own} --> ${other}`)
      visit(one)
    }
  }
  visit(trace)
  const nodes = [...ids].map(([column, id]) => `  ${id}["${mermaidText(column)}"]`)
  return `${['flowchart LR', ...nodes, ...edges].join('\n')}\n`
}

/** Mermaid ends a label at a quotation mark, and reads entities by their codes. */
function mermaidText(text: string): string {
  return text.replace(/[#"<>&\n\r]/g, (character) => `#${character.charCodeAt(0)};`)
}

/**
 * A trace as an indented tree for a terminal.
 *
 * @example lineageTree(traceColumn(analyses, 'stage.sales.revenue'))
 */
export function lineageTree(trace: ColumnTrace): string {
  const lines = [trace.column]
  const visit = (at: ColumnTrace, indent: string): void => {
    at.next.forEach((one, index) => {
      const last = index === at.next.length - 1
      lines.push(`${indent}${last ? '└─ ' : '├─ '}${one.column}`)
      visit(one, `${indent}${last ? '   ' : '│  '}`)
    })
  }
  visit(trace, '')
  return `${lines.join('\n')}\n`
}
