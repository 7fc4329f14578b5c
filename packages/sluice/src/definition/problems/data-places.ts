/** Where a piece of a definition stands in YAML or JSON. Apart from `places.ts`, so that a project in TypeScript alone never loads the parser. */
import { type Document, isMap, isNode, isScalar, isSeq, type LineCounter, type Node } from 'yaml'
import type { Location } from '../../base/errors.ts'
import type { Places } from './places.ts'

/**
 * Places in YAML or JSON, from the parsed document.
 *
 * @example placesInData('pipeline.yaml', document, lines).at(['sources', 'sales', 'path'])
 */
export function placesInData(file: string, document: Document, lines: LineCounter): Places {
  const place = (node: unknown): Location => {
    const range = isNode(node) ? node.range : undefined
    if (!range) return { file }
    const { line, col } = lines.linePos(range[0])
    const length = isScalar(node) ? range[1] - range[0] : 1
    return { file, line, column: col, length: Math.max(1, length) }
  }
  return {
    file,
    at(path, token) {
      let node: unknown = document.contents
      let key: unknown = node
      for (const step of path) {
        const next: { key: unknown; value: unknown } | undefined = child(document, node, step)
        if (next === undefined) break
        ;({ key, value: node } = next)
      }
      if (token === undefined) return place(key)
      return place(tokenOf(document, node, token) ?? key)
    },
  }
}

function child(document: Document, node: unknown, step: string | number): { key: unknown; value: unknown } | undefined {
  const target = isNode(node) && 'source' in node && !isScalar(node) ? node.resolve(document) : node
  if (isMap(target)) {
    const pair = target.items.find((item) => String(isScalar(item.key) ? item.key.value : item.key) === String(step))
    return pair && { key: pair.key, value: pair.value }
  }
  if (isSeq(target)) {
    const item = target.items[Number(step)]
    return item === undefined ? undefined : { key: item, value: item }
  }
  return undefined
}

function tokenOf(document: Document, node: unknown, token: string): Node | undefined {
  if (isScalar(node)) return String(node.value) === token ? node : undefined
  if (isMap(node)) {
    for (const { key, value } of node.items) {
      if (isScalar(key) && String(key.value) === token) return key
      const within = tokenOf(document, value, token)
      if (within) return within
    }
  }
  if (isSeq(node)) {
    for (const item of node.items) {
      const within = tokenOf(document, item, token)
      if (within) return within
    }
  }
  return undefined
}
