// The page docs/reference/definition.md, made from the doc comments and types of what a user imports from 'sluice'.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const entry = join(dirname(fileURLToPath(import.meta.url)), '../src/index.ts')

/** Sections in the page's order, by the file that the export is from. */
const sections = [
  ['Projects and pipelines', /builders\/pipeline/],
  ['Sources', /builders\/sources/],
  ['Connections and procedures', /builders\/(connections|procedures)/],
  ['Columns', /builders\/columns/],
  ['Checks', /builders\/checks/],
  ['Loads and partitions', /builders\/loads/],
  ['Notifications', /builders\/notify/],
  ['Secrets', /references/],
  ['Errors', /base\/errors/],
  ['Shapes', /definition\/(types|procedures\/types|input)/],
]

/** Returns the page's Markdown. */
export function definitionReference() {
  const program = ts.createProgram([entry], {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
    noEmit: true,
    allowImportingTsExtensions: true,
  })
  const checker = program.getTypeChecker()
  const source = program.getSourceFile(entry)
  const exported = checker
    .getExportsOfModule(checker.getSymbolAtLocation(source))
    .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol))
  const pages = sections.map(([title, file]) => {
    const symbols = exported.filter((symbol) => file.test(symbol.declarations?.[0]?.getSourceFile().fileName ?? ''))
    const texts = [...new Set(symbols)].map((symbol) => describe(checker, symbol)).filter((text) => text !== undefined)
    return texts.length === 0 ? '' : `## ${title}\n\n${texts.join('\n\n')}`
  })
  return [
    '<!-- Made by `npm run reference`; change the code, not this page. -->',
    '# The definition',
    "What a project imports from `'sluice'`. JSON and YAML files hold the same shapes; their schemas are `packages/sluice/schema/config.schema.json`, `pipeline.schema.json` and, for lists of procedures, `procedures.schema.json`.",
    ...pages.filter((page) => page !== ''),
  ]
    .join('\n\n')
    .concat('\n')
}

function describe(checker, symbol) {
  const declaration = symbol.declarations?.[0]
  if (declaration === undefined) return undefined
  const text = ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim()
  const tags = symbol.getJsDocTags(checker)
  const examples = tags.filter((tag) => tag.name === 'example').map((tag) => ts.displayPartsToString(tag.text).trim())
  const throws = tags.filter((tag) => tag.name === 'throws').map((tag) => ts.displayPartsToString(tag.text).trim())
  return [
    `### ${symbol.name}`,
    ...(text === '' ? [] : [text]),
    ...(ts.isFunctionDeclaration(declaration) ? [fence('text', signature(declaration))] : []),
    ...(ts.isInterfaceDeclaration(declaration) ? [properties(checker, declaration)] : []),
    ...(ts.isTypeAliasDeclaration(declaration) && declaration.type.getText().length < 600
      ? [fence('text', tidy(declaration.type.getText()))]
      : []),
    ...examples.map((example) => fence('ts example', example)),
    ...(throws.length === 0 ? [] : [`Raises ${throws.map((name) => name.replace(/[`.]$/g, '')).join(', ')}.`]),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
}

function signature(declaration) {
  const parameters = declaration.parameters.map((parameter) => tidy(parameter.getText())).join(', ')
  return `${declaration.name.text}(${parameters}): ${tidy(declaration.type?.getText() ?? 'void')}`
}

function properties(checker, declaration) {
  const rows = declaration.members.filter(ts.isPropertySignature).map((member) => {
    const symbol = checker.getSymbolAtLocation(member.name)
    const text = ts.displayPartsToString(symbol.getDocumentationComment(checker)).replaceAll('\n', ' ')
    const fallback = symbol.getJsDocTags(checker).find((tag) => tag.name === 'default')
    const type = member.type === undefined ? '' : tidy(member.type.getText())
    return [
      `\`${symbol.name}${member.questionToken ? '?' : ''}\``,
      `\`${type.replaceAll('|', '\\|')}\``,
      fallback === undefined ? '' : ts.displayPartsToString(fallback.text).replaceAll('\n', ' ').replaceAll('|', '\\|'),
      text.replaceAll('|', '\\|'),
    ]
  })
  if (rows.length === 0) return ''
  return [
    '| key | type | default | meaning |',
    '|---|---|---|---|',
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n')
}

function tidy(text) {
  return text
    .replace(/\/\*\*[\s\S]*?\*\//g, '')
    .replace(/\breadonly /g, '')
    .replace(/\s+/g, ' ')
    .trim()
}

function fence(info, text) {
  return `\`\`\`${info}\n${text}\n\`\`\``
}
