/** Lineage as a tree for people, or as Mermaid for documents. Pure. */
import type { Lineage, LineageEdge } from '../../query/lineage.ts'
import type { Channel } from '../terminal.ts'
import { visible } from './text.ts'

/**
 * Two trees below the node: what it is made from, and what is made from it.
 *
 * @example treeLines(await lineageOf(project, 'stage.sales'), terminal.out.paint)
 */
export function treeLines(lineage: Lineage, paint: Channel['paint']): readonly string[] {
  const lines = [paint('bold', visible(lineage.node))]
  const part = (title: string, edges: readonly LineageEdge[], direction: 'up' | 'down'): void => {
    if (edges.length > 0)
      lines.push(paint('dim', title), ...branches(lineage.node, edges, direction, '', new Set([lineage.node])))
  }
  part('made from', lineage.up, 'up')
  part('goes into', lineage.down, 'down')
  if (lines.length === 1) lines.push(paint('dim', 'nothing is known of where it comes from or goes to'))
  return lines
}

function branches(
  node: string,
  edges: readonly LineageEdge[],
  direction: 'up' | 'down',
  indent: string,
  path: ReadonlySet<string>,
): readonly string[] {
  const [here, there] = direction === 'up' ? (['to', 'from'] as const) : (['from', 'to'] as const)
  const next = edges.filter((edge) => edge[here] === node).map((edge) => edge[there])
  return next.flatMap((child, i) => {
    const last = i === next.length - 1
    const line = `${indent}${last ? '└─' : '├─'} ${visible(child)}`
    if (path.has(child)) return [`${line} …`]
    return [line, ...branches(child, edges, direction, `${indent}${last ? '   ' : '│  '}`, new Set([...path, child]))]
  })
}

/**
 * A Mermaid flowchart, left to right.
 *
 * @example mermaidText(lineage) // 'flowchart LR\n  n0["raw.sales"] --> n1["stage.sales"]\n'
 */
export function mermaidText({ node, up, down }: Lineage): string {
  const edges = [...up, ...down]
  const names = [...new Set([node, ...edges.flatMap(({ from, to }) => [from, to])])]
  // Names are data: quotes and markup in them must not end the label.
  const label = (name: string): string => visible(name).replace(/[&"<>#]/g, (c) => `#${c.charCodeAt(0)};`)
  const nodes = names.map((name, i) => `  n${i}["${label(name)}"]`)
  const arrows = edges.map(({ from, to }) => `  n${names.indexOf(from)} --> n${names.indexOf(to)}`)
  return `flowchart LR\n${[...nodes, ...new Set(arrows)].join('\n')}\n`
}
