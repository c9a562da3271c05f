#!/usr/bin/env python3
"""check_sql.py: no value becomes a part of SQL's text: values are bound.

Only two files can carry out a statement, by the headers they include (tools/check_layers.py). Each statement there must be a literal or a
constant, or be put together from nothing but such and what is named in FIXED.
"""
import os
import re
import sys

LEDGER = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'src', 'ledger')

# file -> what carries out statements in it, and which argument the statement is
DOORS = {
    'sqlite_ledger.cpp': {'run': 0, 'prepare': 0, 'sqlite3_exec': 1, 'sqlite3_prepare_v2': 1},
    'postgres_ledger.cpp': {'run': 0, 'ask': 0, 'PQexec': 1, 'PQexecParams': 1},
}
# Others that these libraries have: to be used, they must come into DOORS.
OTHER_DOORS = re.compile(r'\b(sqlite3_(?:prepare\w*|get_table|\w*printf|str_append\w*)|PQ(?:exec|send|prepare)\w*)\s*\(')
FIXED = {
    'marks': 'a question mark for each of kEntryColumns',
    'insert_entries()': 'names and types of kEntryColumns',
    'options.max_pages': 'a number, for a PRAGMA, where nothing can be bound; tests set it',
}

STRING = re.compile(r'R"\((?:.|\n)*?\)"|"(?:\\.|[^"\\])*"')
STRINGS = re.compile(rf'(?:(?:{STRING.pattern})\s*)+')
CONSTANT = re.compile(r'k[A-Z]\w*(?:\s*(?:>>|&)\s*\w+)?')  # or a part of one


def without_comments(source):
    return re.sub(rf'({STRING.pattern})|//[^\n]*', lambda found: found.group(1) or '', source)


def end_of(source, at, stops):
    """Where an expression ends that begins there: at one of the stops outside strings and brackets."""
    depth = 0
    while depth > 0 or source[at] not in stops:
        string = STRING.match(source, at)
        if string:
            at = string.end()
            continue
        depth += (source[at] in '([{') - (source[at] in ')]}')
        at += 1
    return at


def arguments(source, at):
    """Those of a call, from behind its parenthesis."""
    while source[at - 1] != ')':
        end = end_of(source, at, ',)')
        yield source[at:end].strip()
        at = end + 1


def is_fixed(expression, source):
    """Whether nothing in it is known at run time only."""
    expression = expression.removesuffix('.c_str()')
    if expression in FIXED or STRINGS.fullmatch(expression) or CONSTANT.fullmatch(expression):
        return True
    call = re.match(r'fmt::(?:format|join)\(', expression)
    if call:
        return end_of(expression, call.end(), ')') == len(expression) - 1 and all(
            is_fixed(part, source) for part in arguments(expression, call.end()))
    if not re.fullmatch(r'\w+', expression):
        return False
    made = [found.end() for found in re.finditer(rf'\bconst std::string {expression} = ', source)]
    return bool(made) and all(is_fixed(source[at:end_of(source, at, ';')].strip(), source) for at in made)


def statements(source, doors):
    """(line number, the expression that is the statement)"""
    for call in re.finditer(rf'\b({"|".join(doors)})\(', source):
        statement = list(arguments(source, call.end()))[doors[call.group(1)]]
        is_parameter = statement == 'const std::string& sql' or (
            statement.removesuffix('.c_str()') == 'sql'
            and re.findall(r'([\w:]+&?) sql\b(?!\.)', source[:call.start()])[-1:] == ['std::string&'])
        if not is_parameter:  # a door's own: what is given for it is looked at where the door is called
            yield source.count('\n', 0, call.start()) + 1, statement


def main():
    n_statements, faults = 0, []
    for name, doors in DOORS.items():
        with open(os.path.join(LEDGER, name), encoding='utf-8') as file:
            source = without_comments(file.read())
        found = list(statements(source, doors))
        n_statements += len(found)
        faults += [f'src/ledger/{name}:{number}: bind what is not known beforehand: {" ".join(statement.split())}'
                   for number, statement in found if not is_fixed(statement, source)]
        faults += [f'src/ledger/{name}: {other} is unknown to tools/check_sql.py'
                   for other in OTHER_DOORS.findall(source) if other not in doors]
    for fault in faults:
        print(fault)
    print(f'sql: {n_statements} statements, {len(faults)} faults')
    return bool(faults)


if __name__ == '__main__':
    sys.exit(main())
