-- Forget people: nothing that is sealed under their keys can be read again. Called in the transaction of the `append`
-- whose groups erase them, after it. A row without a key stays behind, so that nobody gets a new key under an old name.
CREATE FUNCTION forget_people(people uuid[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO data_keys AS known (subject_id, wrapped, destroyed_at)
    SELECT DISTINCT person, NULL::text, clock_timestamp()
    FROM unnest(people) AS erased (person)
    ON CONFLICT (subject_id) DO UPDATE SET
        wrapped = NULL, destroyed_at = coalesce(known.destroyed_at, excluded.destroyed_at);

    DELETE FROM credentials WHERE owner_id = ANY (people);

    DELETE FROM command_answers WHERE scope = ANY (people);
$$;
