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
  ['Changes of a database', /builders\/cdc/],
  ['Columns', /builders\/columns/],
  ['Checks', /builders\/checks/],
  ['Loads and partitions', /builders\/loads/],
  ['Notifications', /builders\/notify/],
  ['Secrets', /references/],
  ['Reading a project', /query\/(reads|reader)\./],
  ['Errors', /base\/errors/],
  ['Shapes', /definition\/(.*types|encodings|input)\.ts$/],
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
    ...(ts.isClassDeclaration(declaration)
      ? [propertyTable(checker, declaration.members.filter(ts.isPropertyDeclaration)).join('\n')]
      : []),
    ...(ts.isTypeAliasDeclaration(declaration) ? [aliasText(checker, symbol, declaration)] : []),
    // What reads a project needs one that is open; its examples are to look at.
    ...examples.map((example) =>
      fence(declaration.getSourceFile().fileName.includes('/query/') ? 'text' : 'ts example', example),
    ),
    ...(throws.length === 0 ? [] : [`Raises ${throws.map((name) => name.replace(/[`.]$/g, '')).join(', ')}.`]),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
}

/** A short type as it is written; of a long one every variant, with all of its keys. */
function aliasText(checker, symbol, declaration) {
  const written = declaration.type.getText()
  if (written.length < 600) return fence('text', tidy(written))
  const type = checker.getDeclaredTypeOfSymbol(symbol)
  const variants = type.isUnion() ? type.types : [type]
  return variants
    .map((variant) => {
      const members = checker.getPropertiesOfType(variant).flatMap((one) => one.declarations?.[0] ?? [])
      const table = propertyTable(checker, members.filter(ts.isPropertySignature))
      const kind = members.find((one) => one.name?.getText() === 'kind' || one.name?.getText() === 'mode')
      const title = kind?.type === undefined ? [] : [`\`${kind.name.getText()}: ${tidy(kind.type.getText())}\``]
      return [...title, table.join('\n')].filter((part) => part !== '').join('\n\n')
    })
    .filter((part) => part !== '')
    .join('\n\n')
}

function signature(declaration) {
  const parameters = declaration.parameters.map((parameter) => tidy(parameter.getText())).join(', ')
  return `${declaration.name.text}(${parameters}): ${tidy(declaration.type?.getText() ?? 'void')}`
}

/** With what it extends, but for what the language brings. */
function properties(checker, declaration) {
  const all = checker
    .getPropertiesOfType(checker.getTypeAtLocation(declaration))
    .flatMap((one) => one.declarations ?? [])
  const inherited = all.filter(
    (one) => one.parent !== declaration && !one.getSourceFile().fileName.includes('/node_modules/'),
  )
  const members = [...declaration.members, ...inherited]
  const methods = members.filter(ts.isMethodSignature).map((member) => {
    const symbol = checker.getSymbolAtLocation(member.name)
    const raises = symbol.getJsDocTags(checker).filter((tag) => tag.name === 'throws')
    const text = ts.displayPartsToString(symbol.getDocumentationComment(checker)).replaceAll('\n', ' ')
    const thrown = raises.map((tag) => ` Raises ${ts.displayPartsToString(tag.text).trim()}.`).join('')
    return `- \`${signature(member)}\`: ${text}${thrown}`
  })
  const table = propertyTable(checker, members.filter(ts.isPropertySignature))
  const indexes = declaration.members.filter(ts.isIndexSignatureDeclaration).map((member) => tidy(member.getText()))
  const open = indexes.length === 0 ? [] : [fence('text', indexes.join('\n'))]
  return [table, methods, open]
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')
}

function propertyTable(checker, members) {
  const rows = members.map((member) => {
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
  if (rows.length === 0) return []
  return ['| key | type | default | meaning |', '|---|---|---|---|', ...rows.map((row) => `| ${row.join(' | ')} |`)]
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
