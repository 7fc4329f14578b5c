/** The parser's syntax tree as this folder reads it: JSON, where a node is an object with one member, named by its kind. */

/** A node, or any object below one. */
export interface Tree {
  readonly [key: string]: unknown
}

/** A name as written, with the parser's offsets in code points. */
export interface Name {
  readonly name: string
  readonly quoted: boolean
  readonly span?: { readonly start: number; readonly end: number }
}

/** Whether a value is an object of the tree. */
export function isTree(value: unknown): value is Tree {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

/** Whether a value is a name; a function's body has a name and a flag of the same spelling. */
export function isName(value: unknown): value is Name {
  return (
    isTree(value) && typeof value['name'] === 'string' && typeof value['quoted'] === 'boolean' && !('args' in value)
  )
}

/** The object under a member, if there is one. */
export function child(tree: Tree | undefined, key: string): Tree | undefined {
  const value = tree?.[key]
  return isTree(value) ? value : undefined
}

/** The name under a member, if there is one. */
export function nameOf(tree: Tree | undefined, key: string): Name | undefined {
  const value = tree?.[key]
  return isName(value) ? value : undefined
}

/** The objects of a list under a member; none, where there is no list. */
export function children(tree: Tree | undefined, key: string): readonly Tree[] {
  const value = tree?.[key]
  return Array.isArray(value) ? value.filter(isTree) : []
}

/** The names of a list under a member. */
export function namesOf(tree: Tree | undefined, key: string): readonly Name[] {
  const value = tree?.[key]
  return Array.isArray(value) ? value.filter(isName) : []
}

/** Kind and body of a node. A kind without arguments (`{ random: null }`) has an empty body. */
export function kindOf(node: Tree): { readonly kind: string; readonly body: Tree } {
  const kind = Object.keys(node)[0] ?? ''
  const body = node[kind]
  return { kind, body: isTree(body) ? body : {} }
}

/** The kinds that are queries. */
export const queryKinds: ReadonlySet<string> = new Set(['select', 'union', 'intersect', 'except', 'values'])

/** The first and last offset of all names below a value: where it is, as far as the parser tells. */
export function extentOf(value: unknown): { readonly start: number; readonly end: number } | undefined {
  let start = Number.POSITIVE_INFINITY
  let end = -1
  const visit = (at: unknown): void => {
    if (Array.isArray(at)) for (const item of at) visit(item)
    else if (isTree(at)) {
      const span = child(at, 'span')
      if (span !== undefined && typeof span['start'] === 'number' && typeof span['end'] === 'number') {
        start = Math.min(start, span['start'])
        end = Math.max(end, span['end'])
      }
      for (const item of Object.values(at)) if (typeof item === 'object') visit(item)
    }
  }
  visit(value)
  return end === -1 ? undefined : { start, end }
}

/** The parts of `a.b.c`, when nothing but names is in it. */
export function dottedName(node: Tree): readonly Name[] | undefined {
  const { kind, body } = kindOf(node)
  if (kind === 'column') return [nameOf(body, 'table'), nameOf(body, 'name')].filter((name) => name !== undefined)
  if (kind !== 'dot') return undefined
  const base = child(body, 'this')
  const field = nameOf(body, 'field')
  const parts = base === undefined ? undefined : dottedName(base)
  return parts === undefined || field === undefined ? undefined : [...parts, field]
}
