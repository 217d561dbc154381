import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.Security;
import java.security.cert.CRLException;
import java.security.cert.CertPath;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertPathBuilderException;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertStore;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.PKIXCertPathBuilderResult;
import java.security.cert.PKIXRevocationChecker;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * Java's own verdict on certificates, by the PKIX algorithm of RFC 5280 that comes with the JDK.
 *
 * <p>Each line of input is a question: {@code FOLDER MOMENT POLICY,POLICY,...}. The folder holds the files
 * {@code anchor}, {@code target}, {@code certificates} and {@code lists}, each with one or more things in DER or PEM;
 * the moment is in ISO 8601. Each line of output is its answer: {@code valid LENGTH}, with the number of certificates
 * from below the anchor to the target, or {@code refused REASON: words}.
 */
public final class PathJudge {
    private static final CertificateFactory X509;

    static {
        try {
            X509 = CertificateFactory.getInstance("X.509");
        } catch (GeneralSecurityException impossible) {
            throw new ExceptionInInitializerError(impossible);
        }
    }

    private final X509Certificate target;
    private final TrustAnchor anchor;
    private final CertStore known;
    private final Date moment;
    private final Set<String> policies;

    private PathJudge(Path folder, Instant moment, Set<String> policies) throws Exception {
        target = (X509Certificate) certificates(folder.resolve("target")).get(0);
        anchor = new TrustAnchor((X509Certificate) certificates(folder.resolve("anchor")).get(0), null);
        List<Object> all = new ArrayList<>(certificates(folder.resolve("certificates")));
        all.add(target);
        try (var stream = Files.newInputStream(folder.resolve("lists"))) {
            all.addAll(X509.generateCRLs(stream));
        }
        known = CertStore.getInstance("Collection", new CollectionCertStoreParameters(all));
        this.moment = Date.from(moment);
        this.policies = policies;
    }

    public static void main(String[] arguments) throws Exception {
        // A list is found by the directory name of the distribution point as well as by its issuer.
        Security.setProperty("com.sun.security.enableCRLDP", "true");
        System.setProperty("com.sun.security.enableCRLDP", "true");
        var input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.split(" ");
            System.out.println(answer(words).replaceAll("\\s+", " "));
        }
    }

    private static String answer(String[] words) throws Exception {
        PathJudge judge;
        try {
            judge = new PathJudge(Path.of(words[0]), Instant.parse(words[1]), Set.of(words[2].split(",")));
        } catch (CertificateException | CRLException unreadable) {
            return "refused UNREADABLE: " + unreadable.getMessage();
        }
        return judge.verdict();
    }

    private static List<? extends java.security.cert.Certificate> certificates(Path file) throws Exception {
        try (var stream = Files.newInputStream(file)) {
            return List.copyOf(X509.generateCertificates(stream));
        }
    }

    private String verdict() throws Exception {
        try {
            return "valid " + path(true).getCertificates().size();
        } catch (CertPathBuilderException refused) {
            return "refused " + reason(refused);
        }
    }

    private CertPath path(boolean strict) throws Exception {
        var result = (PKIXCertPathBuilderResult) CertPathBuilder.getInstance("PKIX").build(parameters(strict));
        return result.getCertPath();
    }

    /** The builder only says that there is no path; so one is built without rules, for the validator to explain. */
    private String reason(CertPathBuilderException refused) throws Exception {
        try {
            CertPath bare = path(false);
            CertPathValidator.getInstance("PKIX").validate(bare, parameters(true));
        } catch (CertPathBuilderException none) {
            return "NO_PATH: " + refused.getMessage();
        } catch (CertPathValidatorException why) {
            return why.getReason() + ": " + why.getMessage();
        }
        throw new IllegalStateException("the builder and the validator disagree about " + target.getSubjectX500Principal());
    }

    private PKIXBuilderParameters parameters(boolean strict) throws Exception {
        var wanted = new X509CertSelector();
        wanted.setCertificate(target);
        var parameters = new PKIXBuilderParameters(Set.of(anchor), wanted);
        parameters.addCertStore(known);
        parameters.setDate(moment);
        parameters.setPolicyQualifiersRejected(false);
        parameters.setRevocationEnabled(strict);
        if (strict) {
            parameters.setExplicitPolicyRequired(true);
            parameters.setInitialPolicies(policies);
            var checker = (PKIXRevocationChecker) CertPathBuilder.getInstance("PKIX").getRevocationChecker();
            checker.setOptions(EnumSet.of(PKIXRevocationChecker.Option.PREFER_CRLS, PKIXRevocationChecker.Option.NO_FALLBACK));
            parameters.addCertPathChecker(checker);
        }
        return parameters;
    }
}
